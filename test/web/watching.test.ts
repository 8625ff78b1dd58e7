import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { patienceMs, startBrowser, visit } from './browser.ts'
import { webServer } from './web-server.ts'

const limitMs = 5 * patienceMs

let browser: Browser
beforeAll(async () => {
  browser = await startBrowser()
}, limitMs)
afterAll(() => browser?.close())

/** A page that looks for news only when it is told of some: its timers for looking all the same never end. */
async function watching({ page }: { page: Page }, url: string): Promise<Page> {
  const watcher = await page.context().newPage()
  await watcher.addInitScript(`{
    const real = window.setTimeout
    window.setTimeout = (call, ms, ...given) => (ms >= 3000 ? 0 : real(call, ms, ...given))
  }`)
  await watcher.goto(url)
  await watcher.getByText('Live', { exact: true }).waitFor()
  await watcher.evaluate('window.loadedOnce = true')
  return watcher
}

test('what one person chooses, the pages of another show at once', { timeout: limitMs }, async () => {
  await using server = await webServer()
  await using one = await visit(browser, server)
  await using other = await visit(browser, server)
  const { url } = server.listening
  const images = await watching(other, new URL('/images', url).href)
  const overview = await watching(other, url)
  const inUse = images.getByRole('region', { name: 'In use' })
  const choices = (page: Page, release: string) => page.getByRole('form', { name: `Choices for ${release}` })
  const choose = async (release: string, why: string, button: string) => {
    await choices(one.page, release).getByLabel('Why').fill(why)
    await choices(one.page, release).getByRole('button', { name: button, exact: true }).click()
  }

  await one.go('/images')
  await choose('20261124.0', 'boots everywhere', 'Promote')
  await inUse.getByText('20261124.0 was promoted').waitFor()
  await images.getByRole('region', { name: '20261124.0' }).getByText('boots everywhere').waitFor()
  await choose('20261110.0', 'old kernel', 'Ignore')
  await images.getByRole('region', { name: '20261110.0' }).getByText('old kernel').waitFor()
  await choose('20261110.0', 'for the comparison', 'Pin')
  await choices(images, '20261110.0').getByRole('button', { name: 'Unpin' }).waitFor()
  const back = one.page.getByRole('button', { name: /^Roll back to/ })
  const before = (await back.innerText()).replace('Roll back to ', '')
  await back.click()
  await inUse.getByText(`${before} was promoted`).waitFor()

  await one.go('/')
  const resume = { name: 'Resume base' }
  await overview.getByRole('button', resume).waitFor()
  await one.page.getByRole('button', resume).click()
  await overview.getByRole('button', resume).waitFor({ state: 'detached' })
  await one.page.getByRole('button', { name: 'Release now' }).click()
  await overview.locator('.pressed').getByText('asked for it').waitFor()

  for (const page of [images, overview]) expect(await page.evaluate('window.loadedOnce')).toBe(true)
  expect(server.calls).toHaveLength(6)
  expect([...one.complaints, ...other.complaints]).toEqual([])
})
