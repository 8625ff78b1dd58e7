import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Hono } from 'hono'
import { expect, test } from 'vitest'
import type { WebEnvironment } from '#src/web/environment.ts'
import { pages } from '#src/web/pages/index.ts'
import type { Serving } from '#src/web/types.ts'
import { poisoned } from './poison.ts'
import { hostile } from './scripted-serving.ts'
import { session } from './session.ts'
import { showcase } from './showcase.ts'
import { webServer } from './web-server.ts'

/** Pages without the server around them. */
async function pageOf(serving: Serving, path: string): Promise<string> {
  const app = new Hono<WebEnvironment>()
  app.use((context, next) => {
    context.set('csrf', 'a csrf')
    context.set('by', 'jana')
    return next()
  })
  app.route('/', pages(serving))
  const answer = await app.request(path)
  expect([path, answer.status]).toEqual([path, 200])
  return answer.text()
}

/** What a person reads there, without the markup. */
function read(page: string): string {
  const main = page.slice(Math.max(0, page.indexOf('<main')))
  return main.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ')
}

/** The text of the row, or item, that begins with this. */
function section(page: string, heading: string): string {
  return read(page).split(heading)[1] ?? ''
}

/** Everything in the markup that a strict policy would not run or apply; what stands within quotes is text. */
function inlineIn(page: string): string[] {
  const bare = page.replace(/"[^"]*"/g, '""')
  return [
    ...(bare.match(/<style|<script(?![^>]*\ssrc=)|<[^<>]*\s(on\w+|style)=[^>]*>/g) ?? []),
    ...(page.match(/"javascript:[^"]*"/g) ?? []),
  ]
}

test('whatever builders, clouds and people write, it stands in the page as text', async () => {
  const { serving, events, running } = showcase()
  const at = serving.now()
  const [place] = running.current
  const { release } = running
  events.tell({
    type: 'release-started',
    at,
    release: release + hostile,
    key: '',
    resumed: false,
    builds: [],
    destinations: [],
  })
  events.tell({
    type: 'step-progress',
    at,
    ...place!,
    progress: { message: `now ${hostile}`, done: 1, total: 3 },
  })
  events.tell({ type: 'warning', at, message: `careful ${hostile}`, hint: hostile })
  const evil: Serving = {
    ...serving,
    configuration: { ...serving.configuration, image: poisoned(serving.configuration.image, hostile) },
    state: () => poisoned(serving.state(), hostile),
    images: () => poisoned(serving.images(), hostile),
    rules: () => poisoned(serving.rules(), hostile),
    findings: () => poisoned(serving.findings(), hostile),
    logTail: async (_release, arch, lines) => poisoned(await serving.logTail(release, arch, lines), hostile),
  }
  const broken = encodeURIComponent(`20261118.0${hostile}`)
  const whole = encodeURIComponent(`20261113.0${hostile}`)
  for (const path of [
    '/',
    '/images',
    `/releases/${broken}`,
    `/releases/${whole}`,
    `/releases/${encodeURIComponent(release + hostile)}`,
  ]) {
    const page = await pageOf(evil, path)
    expect(page.split('&lt;img src=x').length, path).toBeGreaterThan(10)
    expect(page.match(/<img/g), path).toBeNull()
    expect(page.match(/<\/?script/g), path).toEqual(['<script', '</script'])
    expect(inlineIn(page), path).toEqual([])
    expect(page.includes('\u001b'), path).toBe(false)
  }
  const missing = await new Hono().route('/', pages(evil)).request(`/releases/${encodeURIComponent(hostile)}`)
  expect(missing.status).toBe(404)
  expect(await missing.text()).not.toContain('<img')
})

test('nothing in a page needs more than files of ours: no inline script, no style, nothing from elsewhere', async () => {
  await using server = await webServer()
  const visitor = await session(server)
  for (const path of ['/', '/images', '/releases/20261122.0']) {
    const { text, headers } = await visitor.look(path)
    const policy = String(headers['content-security-policy'])
    expect(policy).toContain("default-src 'none'")
    expect(policy).not.toContain('unsafe')
    const nonce = /'nonce-([^']+)'/.exec(policy)?.[1]
    expect(inlineIn(text), path).toEqual([])
    const asked = [...text.matchAll(/<(?:link|script)[^>]*(?:href|src)="([^"]+)"[^>]*>/g)]
    expect(asked).toHaveLength(3)
    for (const [tag, address] of asked) {
      expect(address).toMatch(/^\/assets\//)
      if (!tag.includes('rel="icon"')) expect(tag).toContain(`nonce="${nonce}"`)
      const asset = await server.ask(address!, { bearer: false })
      expect([address, asset.status]).toEqual([address, 200])
      expect(asset.headers['cache-control']).toContain('immutable')
    }
  }
})

test('the first page shows each step of each architecture, how far it is, and what it said last', async () => {
  const { serving, events, running } = showcase()
  const told = (seconds: number, done: number) =>
    events.tell({
      type: 'step-progress',
      at: serving.now() - (10 - seconds) * 1000,
      arch: 'x86_64',
      step: 'collect',
      progress: { message: 'disk.raw', done, total: 2 * 2 ** 30, unit: 'bytes' },
    })
  events.tell({
    type: 'step-progress',
    at: 0,
    arch: 'aarch64',
    step: 'disks',
    progress: { message: 'of an attempt before' },
  })
  told(0, 0)
  told(8, 2 ** 30)
  running.logs.get('x86_64')!.push('the newest line')
  const page = await pageOf(serving, '/')
  expect(read(page)).toContain('collect disk.raw 1 GiB of 2 GiB, 128 MiB/s, 8 s left')
  expect(page).toMatch(/<progress\s+max="100"\s+value="50"\s+aria-label="x86_64 collect"/)
  expect(page).not.toContain('of an attempt before')
  expect(page).toContain('the newest line')
  const grid = read(page.slice(page.indexOf('<table class="grid"')))
  expect(grid).toMatch(
    /^ *Steps of release 20261125\.0 by architecture lease prepare container push disks collect give-back publish verify x86_64 done 25 s done 22 s done 3:07 done 14 s done 3:40 running \d+:\d\d waiting waiting waiting aarch64/,
  )
  expect(grid).toMatch(/ppc64le done 40 s done 35 s running \d+:\d\d waiting/)
  expect(read(page)).toContain('x86_64 collect running, aarch64 disks running, ppc64le container running')
})

test('a rule that cannot look says why, and since when', async () => {
  const { serving } = showcase()
  const trouble = { message: 'git.example does not answer', since: serving.now() - 3_600_000 }
  const rules = () => [{ name: 'containerfile', meaning: 'when a commit changes it', trouble } as const]
  const next = section(await pageOf({ ...serving, rules }, '/'), 'What comes next')
  expect(next).toMatch(/containerfile cannot look .*git\.example does not answer, first 60 min ago/)
})

test('the first page says what comes next and why, what has paused, what is rented and what doctor found', async () => {
  const { serving } = showcase()
  const page = await pageOf(serving, '/')
  const next = section(page, 'What comes next')
  expect(next).toMatch(/^ *containerfile 2026-11-25 14:24 UTC , in 4 min when a commit on main of/)
  expect(next).toContain(
    'cron 2026-11-30 03:00 UTC , in 5 days at 04:00 on Mondays (Europe/Prague) nothing changed',
  )
  expect(next).toContain('base paused')
  expect(next).toContain('Paused 2 days ago : its releases failed 3 times in a row')
  expect(page).toContain('action="/rules/base/resume"')
  expect(page).not.toContain('action="/rules/cron/resume"')
  expect(page).toContain('<time datetime="2026-11-30T03:00:00.000Z"')
  expect(section(page, 'Doctor')).toMatch(
    /warning: *aws: quota of spot instances in eu-west-1 8 of 16 vCPUs.*6 things in order/,
  )
  const rented = section(page, 'Builders')
  expect(rented).toContain('0.05 USD so far')
  expect(rented).toMatch(
    /x86_64 builds for 20261125\.0 on aws i-0\w+ · c7i\.xlarge \(spot\) · since 11 min ago · lease ends in 4 h · 0\.02 USD/,
  )
  expect(rented).toMatch(/ppc64le builds for 20261125\.0 on hypervisors .* no price/)
})

test('what is plotted stands beside it in numbers, and an architecture that failed leaves a gap', async () => {
  const { serving } = showcase()
  const page = await pageOf(serving, '/')
  const numbers = section(page, 'Duration in numbers')
  expect(numbers).toContain(
    'Release x86_64 aarch64 ppc64le s390x 20261120.0 17 min 04 s 19 min 38 s 27 min 19 s 23 min 03 s 20261118.0 17 min 36 s 20 min 14 s – 23 min 46 s',
  )
  expect(numbers.split('Data in the image')[0]).not.toContain('20261125.0')
  expect(page.match(/<svg\s+class="plot"[^>]*role="img"/g)).toHaveLength(2)
  expect(section(page, 'Data in the image in numbers')).toMatch(/20261120\.0 1\.\d GiB 1\.\d GiB 1\.\d GiB/)
})

test('the list has every image with its place, id, state, verification, size, price and age, by release', async () => {
  const { serving } = showcase()
  const page = await pageOf(serving, '/images')
  const newest = section(page, 'id="title-20261120.0"') || read(page)
  expect(newest).toMatch(
    /x86_64 aws us-east-1 ami-0\w{16} Copy copr-builder-20261120\.0-x86_64\.raw candidate passed 10 GiB raw 0\.08 USD 5 days ago/,
  )
  expect(newest).toMatch(
    /ppc64le hypervisors hv1 \/images\/copr-builder-20261120\.0-ppc64le\.qcow2 Copy candidate passed 10 GiB qcow2 – 5 days ago/,
  )
  for (const { id } of serving.images()) expect(page).toContain(`data-copy="${id}"`)
  expect(read(page)).toContain('Promoted 7 days ago by jana: kernel 6.17.8 fixes the s390x hang')
  expect(read(page)).toContain('20261113.0 was promoted 7 days ago by jana; before it was 20261106.0')
  expect(page).toContain('Not complete: ppc64le.')
})

test('a release is shown whole: why, steps, failures with what to do, images, cost and its release.json', async () => {
  await using server = await webServer({}, {}, showcase)
  const visitor = await session(server)
  const path = '/releases/20261118.0'
  const page = (await visitor.look(path)).text
  const text = read(page)
  expect(text).toMatch(
    /Release 20261118\.0 partial Began 2026-11-18 15:50 UTC , 7 days ago Took 25 min 00 s Why the Containerfile changed x86_64, aarch64, ppc64le, s390x/,
  )
  expect(text).toContain('ppc64le container failed containerfile-failed the Containerfile fails on ppc64le')
  expect(text).toContain('Correct the Containerfile and release again; only ppc64le is built then.')
  expect(text).toMatch(/Every step .* lease x86_64 2026-11-18 15:50 UTC 42\.0 s/)
  expect(text).toMatch(
    /All 0\.08 USD 0\.40 USD Not counted: hypervisors has no prices for images; no price for a machine of hv2/,
  )
  const json = `${path}/release.json`
  expect(page).toContain(`href="${json}"`)
  expect((await visitor.look(json)).status).toBe(404)
  const directory = join(server.stateDirectory, 'releases/20261118.0')
  await mkdir(directory, { recursive: true })
  await writeFile(join(directory, 'release.json'), '{"stream":"incomplete"}')
  const found = await visitor.look(json)
  expect([found.status, found.headers['content-type'], found.text]).toEqual([
    200,
    'application/json',
    '{"stream":"incomplete"}',
  ])
  await writeFile(join(server.stateDirectory, 'release.json'), 'not for the page')
  for (const other of ['..', '.', 'nonesuch']) {
    const answer = await visitor.look(`/releases/${encodeURIComponent(other)}/release.json`)
    expect([other, answer.status]).toEqual([other, 404])
  }
})

test('what was asked for by hand shows under the button until a release shows it', async () => {
  await using server = await webServer()
  const visitor = await session(server)
  const note = async () => /<div\s+class="pressed[^]*?<\/div>/.exec((await visitor.look('/')).text)?.[0]
  expect(await note()).toBeUndefined()
  await visitor.send('/releases')
  expect(await note()).toMatch(/data-awaited[^]*under way[^]*jana asked for it/)
  const { rules } = server.state
  const tick = rules.get('hand')!.ticks.at(-1)!
  Object.assign(tick, { outcome: 'failed', message: `the registry is gone ${hostile}` })
  const failed = await note()
  expect(failed).toMatch(/is-bad[^]*failed[^]*the registry is gone/)
  expect(failed).not.toContain('data-awaited')
  expect(failed).not.toContain('<img')
  const newest = server.state.releases.at(-1)!
  const { openedAt } = newest
  newest.openedAt = tick.takenAt + 1
  expect(await note()).toBeUndefined()
  newest.openedAt = openedAt
  expect(await note()).toBeDefined()
  Object.assign(tick, { outcome: 'released' })
  expect(await note()).toBeUndefined()
})

test('what is promoted is not offered to be ignored', async () => {
  await using server = await webServer()
  const visitor = await session(server)
  expect((await visitor.look('/releases/20261124.0')).text).toContain('/ignore"')
  await visitor.send('/releases/20261124.0/promote', {})
  expect((await visitor.look('/releases/20261124.0')).text).not.toContain('/ignore"')
})

test('what is pressed is asked for in the name of who pressed, and the page that follows says so', async () => {
  await using server = await webServer()
  const visitor = await session(server)
  const pressed = await visitor.send('/releases', { force: 'yes', arch: 'aarch64', to: 'lab' })
  expect(pressed.location).toMatch(/^\/\?told=/)
  expect(pressed.text).toMatch(/role="status">[^]*A release is asked for/)
  const chosen = await visitor.send('/releases/20261124.0/promote', { why: ' it works ', back: 'images' })
  expect(chosen.location).toMatch(/^\/images\?told=/)
  expect(chosen.text).toContain('Release 20261124.0 is promoted.')
  await visitor.send('/releases/20261117.0/ignore', { why: 'old', back: 'release' })
  await visitor.send('/releases/20261117.0/pin', { pinned: 'yes' })
  await visitor.send('/releases/20261117.0/pin', { pinned: 'no' })
  const back = await visitor.send('/rollback', { why: '' })
  expect(back.text).toContain('Release 20261117.0 is promoted again.')
  await visitor.send('/rules/base/resume')
  expect(server.calls).toEqual([
    'press {"by":"jana","force":true,"architectures":["aarch64"],"to":["lab"]}',
    'promote 20261124.0 {"by":"jana","why":"it works"}',
    'ignore 20261117.0 {"by":"jana","why":"old"}',
    'pin 20261117.0 {"by":"jana","pinned":true}',
    'pin 20261117.0 {"by":"jana","pinned":false}',
    'rollback {"by":"jana"}',
    'resume base jana',
  ])
})

test('what cannot be done says why and what to do, and leads nowhere else', async () => {
  await using server = await webServer()
  const visitor = await session(server)
  const partial = '/releases/20261122.0/promote'
  const refused = await visitor.send(partial, { back: 'release' })
  expect(refused.location).toMatch(/^\/releases\/20261122\.0\?told=/)
  expect(refused.text).toMatch(
    /role="alert">[^]*is not complete: aarch64 is missing[^]*release-not-promotable[^]*factory release goes on with it/,
  )
  const unexplained = await visitor.send(partial, {
    force: 'yes',
    why: '  ',
    back: 'https://elsewhere.example',
  })
  expect(unexplained.location).toMatch(/^\/\?told=/)
  expect(unexplained.text).toContain('needs a reason')
  expect(server.calls).toEqual([])
  await visitor.send(partial, { force: 'yes', why: 'only x86_64 is needed' })
  expect(server.calls).toEqual([
    `promote 20261122.0 {"by":"jana","why":"only x86_64 is needed","force":true}`,
  ])
  const ignored = await visitor.send('/releases/20261122.0/ignore', { why: '' })
  expect(ignored.text).toMatch(/role="alert">[^]*to ignore a release needs a reason[^]*Fill in why/)
  const unknown = await visitor.send('/releases/nonesuch/ignore', { why: 'old' })
  expect(unknown.text).toContain('there is no release nonesuch')
})

test('an address cannot make a page say something', async () => {
  const { serving } = showcase()
  const page = await pageOf(serving, '/?told=Send%20your%20token%20to%20me')
  expect(page).not.toContain('Send your token')
  expect(page).toContain('<div id="told"></div>')
})
