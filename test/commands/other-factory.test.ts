import { once } from 'node:events'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { type Engine, enterEngine } from '#src/journal/engine.ts'
import { makeWorkspace } from '#test/config/workspace.ts'
import { pushIndex } from '#test/registry/images.ts'
import { startRegistry } from '#test/servers/registry.ts'

const launcher = new URL('../../src/launcher.js', import.meta.url).pathname
const who = `another factory command (process ${process.pid}) is at work`

/** An engine in this process, and the button that somebody presses meanwhile, with a way to wait for what it says. */
async function pressedBeside(stack: AsyncDisposableStack) {
  const registry = stack.use(await startRegistry())
  for (const name of ['base', 'bib']) await pushIndex(registry.host, name, '1', ['x86_64'])
  const workspace = stack.use(
    await makeWorkspace({
      Containerfile: `FROM ${registry.host}/base:1\n`,
      'factory.yaml': `
image: { name: lab, containerfile: Containerfile }
disk: { builder: "${registry.host}/bib:1" }
clouds: { lab: { kind: aws, region: us-east-1, base: { x86_64: { ami: ami-0a1b2c3d4e5f60001 } } } }
builders: { x86_64: [lab] }
publish: [{ to: lab }]
`,
    }),
  )
  const entered = enterEngine(join(workspace.directory, '.factory'))
  if (!('engine' in entered)) throw new Error('another engine is at work')
  const engine = stack.use(entered.engine)
  const press = () => {
    const button = execa(process.execPath, [launcher, 'release', '--output', 'lines'], {
      cwd: workspace.directory,
      env: { FACTORY_HOME: '' },
      reject: false,
    })
    stack.defer(() => void button.kill('SIGKILL'))
    let said = ''
    button.stderr.on('data', (chunk) => (said += String(chunk)))
    const until = async (words: string) => {
      while (!said.includes(words))
        await Promise.race([once(button.stderr, 'data'), ended(button, () => said)])
    }
    return { button, until }
  }
  return { engine, press }
}

async function ended(button: PromiseLike<unknown>, said: () => string): Promise<never> {
  await button
  throw new Error(`it ended: ${said()}`)
}

function open({ journal }: Engine): void {
  const builds = [{ arch: 'x86_64', buildKey: 'b', why: 'first release' }] as const
  const facts = { key: 'k', owner: 'lab', imageName: 'lab', inputs: null, destinations: [] }
  journal.append({ type: 'release-opened', release: '20261121.0', ...facts, builds: [...builds] })
}

test('whoever makes no release is waited for; when it comes to make one, that is watched', async () => {
  await using stack = new AsyncDisposableStack()
  const { engine, press } = await pressedBeside(stack)
  const waiting = press()
  await waiting.until(`${who} on this configuration: waiting for it`)
  waiting.button.kill('SIGINT')
  const waited = await waiting.button
  expect(waited.exitCode).toBe(130)
  expect(waited.stderr).toContain('the waiting was ended; the other factory command goes on')
  expect(waited.stderr).not.toMatch(/watching|factory status/)

  const later = press()
  await later.until('waiting for it')
  open(engine)
  await later.until('20261121.0')
  later.button.kill('SIGINT')
  expect((await later.button).stderr).toContain('the watching was ended; the release goes on')
})

test('a release that is open is watched from the beginning', async () => {
  await using stack = new AsyncDisposableStack()
  const { engine, press } = await pressedBeside(stack)
  open(engine)
  const watching = press()
  await watching.until('another factory is at work on this configuration: watching it')
  watching.button.kill('SIGINT')
  expect((await watching.button).stderr).toContain('the watching was ended; the release goes on')
})
