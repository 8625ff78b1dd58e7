import { expect, test } from 'vitest'
import { registryClient } from '#src/registry/client.ts'
import { baseRule, watchedReferences } from '#src/trigger/base.ts'
import type { Look } from '#src/trigger/types.ts'
import { pushIndex } from '#test/registry/images.ts'
import { startHttp } from '#test/registry/servers.ts'
import { configuration } from '#test/release/planning.ts'
import { startRegistry } from '#test/servers/registry.ts'
import { memoryJournal } from './memory-journal.ts'

const { signal } = new AbortController()
const everyMs = 300_000
const patience = { attemptMs: 30_000, attempts: 1, pauseMs: 1, longestPauseMs: 1 }

function watched(references: string[]) {
  const clock = { now: 0 }
  const journal = memoryJournal(() => clock.now)
  const lines: string[] = []
  const rule = baseRule({
    everyMs,
    references: async () => references,
    registry: registryClient({ patience }),
    now: () => clock.now,
    sleep: () => Promise.resolve(),
    log: (line) => void lines.push(line),
  })
  /** Looks, and writes down what came of it as the loop does. */
  const look = async (): Promise<Look> => {
    const found = await rule.look(journal.state(), clock.now, signal)
    for (const seen of found.seen ?? []) journal.append({ type: 'source-seen', rule: 'base', ...seen })
    if (found.due) {
      const { tick, why, seen = [] } = found.due
      journal.append({ type: 'tick-taken', rule: 'base', tick, why, seen })
      journal.append({ type: 'tick-done', rule: 'base', tick, outcome: 'released' })
    }
    return found
  }
  return { clock, rule, look }
}

test('notes a tag at first, is due once when it has moved, and does not ask for what is pinned', async () => {
  await using registry = await startRegistry()
  const first = await pushIndex(registry.host, 'base', '1', ['x86_64', 's390x'])
  await pushIndex(registry.host, 'bib', '1', ['x86_64'])
  const reference = `${registry.host}/base:1`
  const pinned = `localhost:1/nothing/there@sha256:${'0'.repeat(64)}`
  const { look } = watched([reference, `${registry.host}/bib:1`, pinned])
  const begun = await look()
  expect(begun.due).toBeUndefined()
  expect(begun.seen).toContainEqual({ source: reference, value: first })
  expect(await look()).toEqual({ seen: [] })
  const second = await pushIndex(registry.host, 'base', '1', ['x86_64', 's390x'], { salt: 'moved' })
  const { due } = await look()
  expect(due).toMatchObject({
    rule: 'base',
    tick: `${reference}@${second}`,
    seen: [{ source: reference, value: second }],
  })
  expect(due?.why).toMatch(/^localhost:\d+\/base:1 moved from sha256:\w{12}… to sha256:\w{12}…$/)
  expect(await look()).toEqual({ seen: [] })
  await pushIndex(registry.host, 'base', '1', ['x86_64', 's390x'])
  await look()
  await pushIndex(registry.host, 'base', '1', ['x86_64', 's390x'], { salt: 'moved' })
  expect((await look()).due?.tick).toBe(`${reference}@${second} #2`)
})

test('asks with HEAD, conditionally once it knows an answer, and takes 304 for no change', async () => {
  const digest = `sha256:${'a'.repeat(64)}`
  const conditions: unknown[] = []
  await using server = await startHttp((request, response) => {
    conditions.push(request.headers['if-none-match'])
    if (request.headers['if-none-match'] === '"v1"') return void response.writeHead(304).end()
    response.writeHead(200, { 'docker-content-digest': digest, etag: '"v1"' }).end()
  })
  const { look } = watched([`${server.host}/base:1`])
  expect((await look()).seen).toEqual([{ source: `${server.host}/base:1`, value: digest }])
  expect(await look()).toEqual({ seen: [] })
  expect(conditions).toEqual([undefined, '"v1"'])
  expect(server.requests).toEqual(['HEAD /v2/base/manifests/1', 'HEAD /v2/base/manifests/1'])
})

test('leaves a registry alone for as long as it asks, and goes on with the others', async () => {
  await using registry = await startRegistry()
  await pushIndex(registry.host, 'base', '1', ['x86_64'])
  await using busy = await startHttp((_request, response) => {
    response.writeHead(429, { 'retry-after': '7200' }).end()
  })
  const { look, clock, rule } = watched([`${busy.host}/base:1`, `${registry.host}/base:1`])
  const first = await look()
  expect(first.trouble).toContain('429 (too many requests)')
  expect(first.seen).toHaveLength(1)
  expect(rule.nextAt(memoryJournal(() => 0).state(), clock.now)).toBe(everyMs)
  clock.now = 7_199_000
  await pushIndex(registry.host, 'base', '1', ['x86_64'], { salt: 'moved' })
  expect((await look()).due).toBeDefined()
  expect(busy.requests).toHaveLength(1)
  clock.now = 7_200_000
  await look()
  expect(busy.requests).toHaveLength(2)
})

test('watches FROM, the disk builder, and the finished image where there is no Containerfile', () => {
  const builders = { x86_64: 'quay.io/a/bib:1', s390x: 'quay.io/a/bib:1' }
  const built = configuration({ disk: { builders, rootfs: 'xfs' } })
  expect(watchedReferences(built, 'FROM quay.io/a/base:1 AS b\nFROM scratch\nCOPY --from=b / /\n')).toEqual([
    'quay.io/a/base:1',
    'quay.io/a/bib:1',
  ])
  const finished = {
    ...built,
    image: { name: 'lab', source: { kind: 'ref', ref: 'quay.io/a/done:1' } as const },
  }
  expect(watchedReferences(finished, undefined)).toEqual(['quay.io/a/done:1', 'quay.io/a/bib:1'])
})
