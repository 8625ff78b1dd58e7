import type { Browser, Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTcpProxy } from '../servers/tcp-proxy.ts'
import { type Visit, overflow, patienceMs, startBrowser, violations, visit } from './browser.ts'
import { hostile } from './scripted-serving.ts'
import { showcase } from './showcase.ts'
import { type WebServer, webServer } from './web-server.ts'

const limitMs = 5 * patienceMs
const mebibyte = 2 ** 20
const pages = ['/login', '/', '/images', '/releases/20261118.0', '/releases/nonesuch']

let browser: Browser
beforeAll(async () => {
  browser = await startBrowser()
}, limitMs)
afterAll(() => browser?.close())

/** What an engine would tell of the release that the button asked for, step by step. */
function engineOf({ serving, record, events }: WebServer, release: string) {
  const place = { arch: 'x86_64', step: 'collect' } as const
  const at = () => serving.now()
  return {
    begin() {
      const builds = [{ arch: 'x86_64' as const, why: 'forced' }]
      const facts = { key: 'k', builds: builds.map((build) => ({ ...build, buildKey: 'b' })) }
      record({
        type: 'release-opened',
        release,
        owner: 'lab',
        imageName: 'lab',
        inputs: {},
        destinations: [],
        ...facts,
      })
      record({ type: 'step-started', release, ...place })
      events.tell({
        type: 'release-started',
        at: at(),
        release,
        key: 'k',
        resumed: false,
        builds,
        destinations: [],
      })
      events.tell({ type: 'step-started', at: at(), ...place })
    },
    collect(done: number) {
      const progress = {
        message: 'disk.raw',
        done: done * mebibyte,
        total: 400 * mebibyte,
        unit: 'bytes',
      } as const
      events.tell({ type: 'step-progress', at: at(), ...place, progress })
    },
    end() {
      record({ type: 'step-finished', release, ...place, durationMs: 61_000, summary: '' })
      record({ type: 'release-closed', release, outcome: 'done', durationMs: 61_000 })
      events.tell({
        type: 'release-finished',
        at: at(),
        release,
        outcome: 'done',
        manifest: '',
        durationMs: 61_000,
      })
    },
  }
}

async function sees(where: Page | Locator, text: string | RegExp): Promise<void> {
  await where.getByText(text).first().waitFor()
}

/** Tabs until it has the focus; everything on the way shows that it has. */
async function tabTo(page: Page, wanted: Locator): Promise<void> {
  for (let presses = 0; presses < 200; presses += 1) {
    await page.keyboard.press('Tab')
    const [outline, element] = await page.evaluate<[string, string]>(
      '[getComputedStyle(document.activeElement).outlineStyle, document.activeElement.outerHTML.slice(0, 200)]',
    )
    if (!element.startsWith('<body')) expect([element, outline]).not.toEqual([element, 'none'])
    if ((await wanted.and(page.locator(':focus')).count()) > 0) return
  }
  throw new Error(`nobody gets to ${String(wanted)} with the keyboard`)
}

test(
  'the button is pressed, the release appears, and its progress arrives while one looks; a reload loses nothing',
  { timeout: limitMs },
  async () => {
    await using server = await webServer()
    await using one = await visit(browser, server)
    await using other = await visit(browser, server)
    const { page } = one
    const main = page.locator('main')
    const engine = engineOf(server, '20261125.1')

    await page.getByLabel('Build although nothing changed').check()
    await page.getByRole('button', { name: 'Release now' }).click()
    await sees(page, 'A release is asked for.')
    expect(server.calls).toEqual(['press {"by":"jana","force":true}'])
    await page.evaluate('window.loadedOnce = true')
    await sees(page, 'Live')

    engine.begin()
    await page.getByRole('heading', { name: '20261125.1' }).waitFor()
    engine.collect(100)
    await sees(main, 'disk.raw 100 MiB of 400 MiB')
    engine.collect(200)
    await sees(main, 'disk.raw 200 MiB of 400 MiB')
    expect(
      await main.getByRole('progressbar', { name: 'x86_64 collect' }).first().getAttribute('value'),
    ).toBe('50')
    expect(await page.evaluate('window.loadedOnce')).toBe(true)
    await one.keep('progress')

    await page.reload()
    await sees(main, 'disk.raw 200 MiB of 400 MiB')
    await sees(page, 'Live')
    expect(await page.getByText('A release is asked for.').count()).toBe(0)
    engine.collect(300)
    await sees(main, 'disk.raw 300 MiB of 400 MiB')
    await sees(other.page.locator('main'), 'disk.raw 300 MiB of 400 MiB')
    await expect
      .poll(() => other.page.locator('main').innerText(), { timeout: patienceMs })
      .toBe(await main.innerText())

    engine.end()
    for (const { page } of [one, other]) {
      const newest = page.getByRole('region', { name: '20261125.1' })
      await newest.getByText('done', { exact: true }).first().waitFor()
      await newest.getByText('took 1 min 01 s').waitFor()
    }
    expect([...one.complaints, ...other.complaints]).toEqual([])
  },
)

test(
  'when the connection breaks, the page says so, and afterwards shows what happened meanwhile',
  { timeout: limitMs },
  async () => {
    await using server = await webServer({ hosts: ['127.0.0.1'] })
    const port = Number(new URL(server.listening.url).port)
    await using proxy = await startTcpProxy(port)
    await using one = await visit(browser, server, { base: `http://127.0.0.1:${proxy.port}/` })
    const engine = engineOf(server, '20261125.1')
    await sees(one.page, 'Live')
    engine.begin()
    await one.page.getByRole('heading', { name: '20261125.1' }).waitFor()
    proxy.targetPort = 1
    proxy.reset()
    await sees(one.page, 'No connection; trying again.')
    engine.collect(100)
    engine.end()
    proxy.targetPort = port
    await sees(one.page, 'took 1 min 01 s')
    await sees(one.page, 'Live')
  },
)

test(
  'what people have opened, ticked and typed stays while the page changes around it, and nothing jumps',
  { timeout: limitMs },
  async () => {
    await using server = await webServer({}, {}, showcase)
    await using one = await visit(browser, server)
    const { page } = one
    await sees(page, 'Live')
    await page.getByText('Only a part').click()
    await page.getByRole('checkbox', { name: 's390x' }).check()
    await page.evaluate(`window.shifted = 0; new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.shifted += entry.value
  }).observe({ type: 'layout-shift' })`)
    for (const done of [1, 2, 3]) {
      const progress = { message: 'org.osbuild.selinux'.repeat(done * 4), done, total: 3 }
      server.events.tell({
        type: 'step-progress',
        at: server.serving.now(),
        arch: 'aarch64',
        step: 'disks',
        progress,
      })
      await sees(page, `${done}/3`)
    }
    expect(await page.evaluate('window.shifted')).toBeLessThan(0.01)
    expect(await page.getByRole('checkbox', { name: 's390x' }).isChecked()).toBe(true)
    expect(await page.getByRole('checkbox', { name: 's390x' }).and(page.locator(':focus')).count()).toBe(1)

    await one.go('/releases/20261113.0')
    await sees(page, 'Live')
    await page.getByLabel('Why').fill('half a reas')
    server.record({ type: 'release-pinned', release: '20261113.0', pinned: true, by: 'petr' })
    server.events.tell({ type: 'warning', at: server.serving.now(), message: 'something happened' })
    await page.getByText('pinned', { exact: true }).waitFor()
    await page.keyboard.type('on')
    expect(await page.getByLabel('Why').inputValue()).toBe('half a reason')
    await page.getByRole('button', { name: 'Unpin' }).waitFor()
    expect(one.complaints).toEqual([])
  },
)

test(
  'one release is promoted and another is ignored, with reasons; what is not complete only with one',
  { timeout: limitMs },
  async () => {
    await using server = await webServer({}, {}, showcase)
    await using one = await visit(browser, server)
    const { page } = one
    await page.getByRole('link', { name: 'Images' }).click()
    const choices = (release: string) => page.getByRole('form', { name: `Choices for ${release}` })

    await choices('20261120.0').getByLabel('Why').fill('boots everywhere')
    await choices('20261120.0').getByRole('button', { name: 'Promote' }).click()
    await sees(page, 'Release 20261120.0 is promoted.')
    await sees(page.getByRole('region', { name: 'In use' }), '20261120.0 was promoted')
    await sees(page.getByRole('region', { name: '20261120.0' }), 'boots everywhere')

    await choices('20261106.0').getByLabel('Why').fill('old kernel')
    await choices('20261106.0').getByRole('button', { name: 'Ignore' }).click()
    await sees(page, 'Release 20261106.0 is ignored.')
    await sees(page.getByRole('region', { name: '20261106.0' }), 'old kernel')

    const partial = choices('20261118.0')
    await partial.getByRole('button', { name: 'Promote anyway' }).click()
    await page.getByRole('alert').getByText('needs a reason').waitFor()
    await partial.getByLabel('Why').fill('ppc64le is not used this week')
    await partial.getByRole('button', { name: 'Promote anyway' }).click()
    await sees(page, 'Release 20261118.0 is promoted.')
    await one.keep('chosen')

    await page.getByLabel('Why').first().fill('it was not such a good idea')
    await page.getByRole('button', { name: 'Roll back to 20261120.0' }).click()
    await sees(page, 'Release 20261120.0 is promoted again.')
    expect(server.calls).toEqual([
      'promote 20261120.0 {"by":"jana","why":"boots everywhere"}',
      'ignore 20261106.0 {"by":"jana","why":"old kernel"}',
      'promote 20261118.0 {"by":"jana","why":"ppc64le is not used this week","force":true}',
      'rollback {"by":"jana","why":"it was not such a good idea"}',
    ])
    expect(one.complaints).toEqual([])
  },
)

test(
  'everything can be done with the keyboard, and what has the focus shows it',
  { timeout: limitMs },
  async () => {
    await using server = await webServer({}, {}, showcase)
    await using one = await visit(browser, server)
    const { page } = one
    await one.go('/')
    await tabTo(page, page.getByRole('link', { name: 'To the content' }))
    await page.keyboard.press('Enter')
    await tabTo(page, page.getByRole('button', { name: 'Release now' }))
    await one.keep('keyboard')
    await page.keyboard.press('Enter')
    await sees(page, 'A release is asked for.')
    await tabTo(page, page.getByRole('button', { name: 'Resume base' }))
    await page.keyboard.press('Enter')
    await sees(page, 'The rule base works again.')
    await tabTo(page, page.getByRole('link', { name: 'Images' }))
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { level: 1, name: 'Images' }).waitFor()
    const choices = page.getByRole('form', { name: 'Choices for 20261120.0' })
    await tabTo(page, choices.getByLabel('Why'))
    await page.keyboard.type('by hand')
    await tabTo(page, choices.getByRole('button', { name: 'Promote' }))
    await page.keyboard.press('Enter')
    await sees(page, 'Release 20261120.0 is promoted.')
    expect(server.calls).toEqual([
      'press {"by":"jana"}',
      'resume base jana',
      'promote 20261120.0 {"by":"jana","why":"by hand"}',
    ])
  },
)

test('without script the pages show all the same things, after a reload', { timeout: limitMs }, async () => {
  await using server = await webServer()
  await using one = await visit(browser, server, { javaScriptEnabled: false })
  const engine = engineOf(server, '20261125.1')
  await one.page.getByRole('button', { name: 'Release now' }).click()
  await sees(one.page, 'A release is asked for.')
  engine.begin()
  engine.collect(100)
  await one.page.reload()
  await sees(one.page, 'disk.raw 100 MiB of 400 MiB')
  expect(await one.page.locator('#line').innerText()).toBe('Reload to see what is new.')
  await one.go('/images')
  expect(await one.page.getByRole('button', { name: /^Copy/ }).count()).toBe(0)
})

test(
  'on a phone nothing is wider than the screen, in any page, whatever builders write',
  { timeout: limitMs },
  async () => {
    const phone = {
      viewport: { width: 360, height: 740 },
      deviceScaleFactor: 2,
      isMobile: true,
      hasTouch: true,
    }
    for (const [name, script] of [
      ['phone', showcase],
      ['phone-hostile', undefined],
    ] as const) {
      await using server = await webServer({}, {}, script)
      server.record({
        type: 'release-ignored',
        release: '20261120.0',
        by: 'x',
        why: `${hostile}${'w'.repeat(500)}`,
      })
      await using one = await visit(browser, server, phone)
      for (const [index, path] of [
        '/login',
        '/',
        '/images',
        '/releases/20261120.0',
        '/releases/20261125.0',
      ].entries()) {
        await one.go(path)
        await one.page.evaluate(
          `for (const folded of document.querySelectorAll('details')) folded.open = true`,
        )
        await one.keep(`${name}-${index}`)
        expect([name, path, await overflow(one.page)]).toEqual([name, path, 0])
      }
      expect(one.complaints).toEqual([])
      expect(await one.page.locator('img').count()).toBe(0)
    }
  },
)

for (const colorScheme of ['light', 'dark'] as const)
  test(`axe finds nothing wrong with any page in ${colorScheme} colours`, { timeout: limitMs }, async () => {
    await using server = await webServer({}, {}, showcase)
    await using one: Visit = await visit(browser, server, { colorScheme })
    for (const [index, path] of pages.entries()) {
      await one.go(path)
      await one.page.evaluate(`for (const folded of document.querySelectorAll('details')) folded.open = true`)
      await one.keep(`${colorScheme}-${index}`)
      expect([path, await violations(one.page)]).toEqual([path, []])
    }
    await one.go('/images')
    await one.page.getByRole('button', { name: 'Promote anyway' }).click()
    await one.page.getByRole('alert').waitFor()
    expect(await violations(one.page)).toEqual([])
    const ground = await one.page.evaluate<string>('getComputedStyle(document.body).backgroundColor')
    const [red = 0] = (/\d+/.exec(ground) ?? []).map(Number)
    expect(red < 128).toBe(colorScheme === 'dark')
  })
