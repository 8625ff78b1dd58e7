import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { architectureNames } from '#arch/index.ts'
import { readJournal } from '#src/journal/journal.ts'
import type { FactoryState } from '#src/journal/replay.ts'
import { type ServingProcess, serving } from '#test/commands/serving-process.ts'
import { ensureLab } from '#test/lab/lab.ts'
import { freePort } from '#test/servers/free-port.ts'
import { type GitServer, startGit } from '#test/trigger/git-server.ts'
import { startBrowser, visit } from '#test/web/browser.ts'
import { github } from '#test/web/signed.ts'
import { type Workspace, openWorkspace } from './factory.ts'
import { expectOnlyImages } from './kills.ts'

/*
 * It runs by itself: a commit leads to a release without a hand, also when `factory serve` is killed in the middle of it;
 * a person promotes it on the page. Asked for by `npm run test:serve`: it makes a whole release in the lab.
 */
const sources = new URL('../../containerfiles/lab/', import.meta.url)
const secret = 'a secret of the forge'
const releaseLimitMs = 25 * 60_000

let workspace: Workspace
let git: GitServer
let port: number
let served: ServingProcess
let token = ''

beforeAll(async () => {
  await ensureLab((line) => process.stderr.write(`${line}\n`))
  git = await startGit({
    'images/Containerfile': await readFile(new URL('Containerfile', sources), 'utf8'),
    'images/motd': await readFile(new URL('motd', sources), 'utf8'),
    README: 'Images of the lab\n',
  })
  port = await freePort()
  workspace = await openWorkspace()
  const file = join(workspace.directory, 'factory.yaml')
  const configuration = parse(await readFile(file, 'utf8')) as Record<string, Record<string, unknown>>
  configuration['image']!['containerfile'] = 'images/Containerfile'
  configuration['rebuild'] = { watch: ['containerfile'], every: '1h', git: { url: git.url, ref: 'main' } }
  configuration['serve'] = { listen: `127.0.0.1:${port}`, webhookSecret: 'secret' }
  await writeFile(join(workspace.directory, 'secret'), secret)
  await writeFile(file, stringify(configuration))
  served = await start()
  token = await served.until(/it is shown only now: (\S+)/)
})
afterAll(async () => {
  await served?.[Symbol.asyncDispose]()
  await workspace?.[Symbol.asyncDispose]()
  await git?.[Symbol.asyncDispose]()
})

const start = async () => await serving(workspace.directory, { stateDirectory: workspace.state })

/** Waits until the journal says so, however long that takes within the limit of the test. */
async function until<T>(found: (state: FactoryState) => T | undefined): Promise<T> {
  using journal = readJournal(workspace.state)
  for (;;) {
    const answer = found(journal.state())
    if (answer !== undefined) return answer
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}

/** As the forge does after a push. */
async function tellOfPush(): Promise<void> {
  const { path, headers, body } = github(secret)
  const answer = await fetch(new URL(path, served.url), { method: 'POST', headers, body })
  expect(answer.status).toBe(202)
}

const ask = async (path: string) =>
  await fetch(new URL(path, served.url), { headers: { authorization: `Bearer ${token}` } })
const lastTick = ({ rules }: FactoryState) => rules.get('containerfile')?.ticks.at(-1)

test(
  'a commit that touches the Containerfile leads to a candidate of all architectures, although serve is killed meanwhile',
  async () => {
    await until(({ rules }) => rules.get('containerfile')?.seen.size || undefined)
    const containerfile = await readFile(new URL('Containerfile', sources), 'utf8')
    const commit = await git.commit({ 'images/Containerfile': `${containerfile}\nRUN true\n` })
    await tellOfPush()
    await until(({ releases }) => releases[0]?.steps.find((step) => step.step === 'container') || undefined)
    served.kill('SIGKILL')
    await served.ended
    served = await start()

    const tick = await until((state) => (lastTick(state)?.outcome ? lastTick(state) : undefined))
    expect(tick, JSON.stringify(tick)).toMatchObject({
      outcome: 'released',
      why: expect.stringContaining(commit.slice(0, 12)) as string,
    })
    const [release, ...others] = await until(({ releases }) => releases)
    expect(others).toEqual([])
    expect(release).toMatchObject({ release: tick.release, outcome: 'done' })
    expect(release!.images.map(({ verification }) => verification?.result)).toEqual(
      architectureNames.map(() => 'passed'),
    )
    // A machine for each build and one for each boot: none was rented twice for the kill.
    const leases = await until((state) => state.leases)
    expect(leases).toHaveLength(2 * architectureNames.length)
    expect(leases.every(({ released }) => released)).toBe(true)
    // Nobody waits for the clouds to show it.
    await until(
      ({ releases: [one] }) => one?.images.every(({ marked }) => marked === 'candidate') || undefined,
    )
    await expectOnlyImages(workspace, architectureNames)
  },
  releaseLimitMs,
)

test('promoting it on the page moves the address that consumers read', async () => {
  const release = (await until(({ channels }) => channels.candidate))!
  expect((await fetch(new URL('/streams/promoted.json', served.url))).status).toBe(404)
  const browser = await startBrowser()
  try {
    await using person = await visit(browser, { listening: { url: served.url } as never, token })
    await person.go('/images')
    const choices = person.page.getByRole('form', { name: `Choices for ${release}` })
    await choices.getByLabel('Why').fill('it boots')
    await choices.getByRole('button', { name: 'Promote' }).click()
    // The page that follows offers it for the others only.
    await choices.getByRole('button', { name: 'Promote' }).waitFor({ state: 'detached' })
    await person.keep('promoted-in-the-lab')
  } finally {
    await browser.close()
  }
  const stream = (await (await fetch(new URL('/streams/promoted.json', served.url))).json()) as {
    stream: string
    architectures: Record<string, { artifacts: Record<string, { release: string }> }>
  }
  expect(stream.stream).toBe('promoted')
  expect(Object.keys(stream.architectures).toSorted()).toEqual(architectureNames.toSorted())
  for (const { artifacts } of Object.values(stream.architectures))
    for (const one of Object.values(artifacts)) expect(one.release).toBe(release)
})

test('a commit that touches something else leads to "nothing changed", and rents nothing', async () => {
  const leases = await until((state) => state.leases.length)
  const before = await until(lastTick)
  await git.commit({ README: 'Images of the lab, described better\n' })
  await tellOfPush()
  const tick = await until((state) =>
    lastTick(state)?.tick !== before.tick && lastTick(state)?.outcome ? lastTick(state) : undefined,
  )
  expect(tick.outcome).toBe('nothing-changed')
  const rules = (await (await ask('/api/rules')).json()) as { name: string; last?: object }[]
  expect(rules.find(({ name }) => name === 'containerfile')?.last).toMatchObject({
    outcome: 'nothing-changed',
  })
  expect(await until((state) => state.leases.length)).toBe(leases)
  served.kill('SIGTERM')
  expect(await served.ended).toMatchObject({ exitCode: 0 })
  expect([await workspace.domains(), await workspace.leftovers()]).toEqual([[], []])
})
