import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import axe from 'axe-core'
import { type Browser, type BrowserContextOptions, type Page, chromium } from 'playwright-core'
import type { WebServer } from './web-server.ts'

/** Milliseconds that a busy machine may take for what takes no time. */
export const patienceMs = 60_000

/** Debian's Chromium without a window. As root it has no sandbox; it sees pages of ours only. */
export async function startBrowser(args: readonly string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage', ...args],
    timeout: patienceMs,
  })
}

export interface Visit extends AsyncDisposable {
  page: Page
  /** Everything that the browser complained of: errors of the script, what the policy forbade, dialogs. */
  complaints: string[]
  /** Goes to a page of the server. */
  go(path: string): Promise<void>
  /** Keeps what is seen, beside what else the tests write. */
  keep(name: string): Promise<void>
}

export interface VisitOptions extends BrowserContextOptions {
  /** Where the server is reached, if not directly. */
  base?: string
  /** What the person says to be called. */
  name?: string
}

/** A browser of a person of their own, who has shown the token. */
export async function visit(
  browser: Browser,
  server: Pick<WebServer, 'listening' | 'token'>,
  { base = server.listening.url, name = 'jana', ...options }: VisitOptions = {},
): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
  context.setDefaultTimeout(patienceMs)
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  await page.goto(new URL('/login', base).href)
  await page.getByLabel('Your name').fill(name)
  await page.getByLabel(/Token/).fill(server.token)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByRole('heading', { level: 1, name: 'Releases' }).waitFor()
  return {
    page,
    complaints,
    go: async (path) => void (await page.goto(new URL(path, base).href)),
    async keep(name) {
      const place = join(tmpdir(), 'page')
      mkdirSync(place, { recursive: true })
      await page.screenshot({ path: join(place, `${name}.png`), fullPage: true })
    },
    [Symbol.asyncDispose]: () => context.close(),
  }
}

/** What axe says is wrong with the page as it stands, a line each. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  return page.evaluate<string[]>(`axe.run({ resultTypes: ['violations'] }).then(({ violations }) =>
    violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) =>
      id + ': ' + html.slice(0, 200) + ' ' + failureSummary)))`)
}

/** By how many pixels the page is wider than its window. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth')
}
