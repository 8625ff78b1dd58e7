import { startBrowser, visit } from './browser.ts'
import { showcase } from './showcase.ts'
import { webServer } from './web-server.ts'

const file = new URL('../../docs/page.png', import.meta.url).pathname

/** Makes the picture of the page for the README, of the scripted factory that the tests look at. */
await using server = await webServer({}, {}, showcase)
await using browser = await startBrowser()
const progress = [
  { message: 'disk.raw', done: 0.75 * 2 ** 30, total: 1.6 * 2 ** 30, unit: 'bytes' },
  { message: 'org.osbuild.bootc.install-to-filesystem', done: 14, total: 31, unit: 'steps' },
  { message: 'STEP', done: 4, total: 9, unit: 'steps' },
  { message: 'org.osbuild.selinux', done: 25, total: 31, unit: 'steps' },
] as const
const { running, events, serving } = server as typeof server & ReturnType<typeof showcase>
for (const [index, place] of running.current.entries()) {
  const known = { type: 'step-progress', ...place } as const
  const { done, ...rest } = progress[index]!
  if (index === 0) events.tell({ ...known, at: serving.now() - 8000, progress: { ...rest, done: 0 } })
  events.tell({ ...known, at: serving.now() - 1000, progress: { ...rest, done } })
}
await using one = await visit(browser, server, { viewport: { width: 1280, height: 720 } })
await one.page.getByText('Live').waitFor()
await one.page.screenshot({ path: file })
process.stdout.write(`${file}\n`)
