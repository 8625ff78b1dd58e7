import { expect, test } from 'vitest'
import type { JournalRecord, StoredRecord } from '#src/journal/records.ts'
import { replay } from '#src/journal/replay.ts'
import { leaksFound } from '#src/notify/leaks.ts'
import { noticesOf } from '#src/notify/notices.ts'
import type { Notice } from '#src/notify/types.ts'

const release = 'lab-20261130-040000-abcd'
const image = {
  cloud: 'aws',
  kind: 'aws',
  region: 'us-east-1',
  arch: 'x86_64',
  id: 'ami-1',
  name: `${release}-x86_64`,
  format: 'raw',
  sha256: 'a'.repeat(64),
  sizeBytes: 1,
  release,
} as const
const opened = {
  type: 'release-opened' as const,
  release,
  key: 'k',
  owner: 'lab',
  imageName: 'lab',
  inputs: {},
  builds: [],
  destinations: [],
} satisfies JournalRecord
const error = {
  code: 'disk-build-failed',
  class: 'infra',
  message: 'it ended with 1',
  hint: 'factory logs x86_64',
} as const
const failedStep = [
  { type: 'step-started', release, arch: 'x86_64', step: 'disks' },
  { type: 'step-failed', release, arch: 'x86_64', step: 'disks', durationMs: 5, error },
  { type: 'step-started', release, arch: 's390x', step: 'publish', target: 'ibm/eu-es' },
  { type: 'step-failed', release, arch: 's390x', step: 'publish', target: 'ibm/eu-es', durationMs: 5, error },
] as const

/** All notices of a journal, each made when its record was the newest. */
function told(...records: JournalRecord[]): Notice[] {
  const stored = records.map((record, index): StoredRecord => ({
    ...record,
    seq: index + 1,
    at: 1000 + index,
    epoch: 1,
  }))
  return stored.flatMap((record, index) => noticesOf(record, replay(stored.slice(0, index + 1))))
}

test.each([
  ['failed', `${release} failed`],
  ['partial', `${release} is partial: something that it requires is missing`],
] as const)('a release that ends as %s is told with what failed where, and what to do', (outcome, title) => {
  const closed = { type: 'release-closed', release, outcome, durationMs: 60_000 } as const
  expect(told(opened, ...failedStep, closed)).toMatchObject([
    {
      occasion: 'failed',
      at: 1005,
      release,
      title,
      text: 'x86_64 disks: it ended with 1 [disk-build-failed]\ns390x publish ibm/eu-es: it ended with 1 [disk-build-failed]',
      hint: 'factory logs x86_64',
      facts: {
        outcome,
        durationMs: 60_000,
        failures: [{ where: 'x86_64 disks', code: 'disk-build-failed' }, {}],
      },
    },
  ])
})

test('a release that is done or was interrupted is no failure, and nothing else is news', () => {
  const closed = (outcome: 'done' | 'interrupted') =>
    ({ type: 'release-closed', release, outcome, durationMs: 1 }) as const
  expect(
    told(opened, ...failedStep, closed('interrupted'), { type: 'release-resumed', release }, closed('done')),
  ).toEqual([])
})

test('a step that succeeded when it was tried again is not told', () => {
  const again = [
    { type: 'step-started', release, arch: 'x86_64', step: 'disks' },
    { type: 'step-finished', release, arch: 'x86_64', step: 'disks', durationMs: 5, summary: '' },
    { type: 'release-closed', release, outcome: 'partial', durationMs: 1 },
  ] as const
  const [notice] = told(opened, ...failedStep, ...again)
  expect(notice!.text).toBe('s390x publish ibm/eu-es: it ended with 1 [disk-build-failed]')
})

test('a release that becomes a candidate is told with its images, under one id however often it does', () => {
  const moved = { type: 'channel-moved', channel: 'candidate', release } as const
  const [first, second, ...others] = told(opened, { type: 'image-published', release, image }, moved, moved)
  expect(first).toMatchObject({
    occasion: 'promotable',
    release,
    title: `${release} may be promoted`,
    text: `x86_64: ${release}-x86_64 in aws/us-east-1`,
    hint: `factory promote ${release}`,
    facts: { images: [{ cloud: 'aws', id: 'ami-1', boot: 'not verified' }] },
  })
  expect(second!.id).toBe(first!.id)
  expect(others).toEqual([])
})

test('a promotion is told with who, why and the one before; one that moved nothing is not', () => {
  const promoted = (name: string, by: string) =>
    ({ type: 'channel-moved', channel: 'promoted', release: name, by, why: 'it boots' }) as const
  const notices = told(
    promoted('one', 'ann'),
    promoted('two', 'bob'),
    promoted('two', 'bob'),
    promoted('one', 'ann'),
  )
  expect(notices.map(({ title, text }) => ({ title, text }))).toEqual([
    { title: 'one is promoted', text: 'Promoted by ann: it boots' },
    { title: 'two is promoted', text: 'Promoted by bob: it boots\nBefore it: one' },
    { title: 'one is promoted', text: 'Promoted by ann: it boots\nBefore it: two' },
  ])
  expect(new Set(notices.map(({ id }) => id))).toHaveLength(3)
})

test('a rule that pauses itself is told with why', () => {
  expect(told({ type: 'rule-paused', rule: 'cron', why: '3 releases failed in a row' })).toMatchObject([
    {
      occasion: 'rule-paused',
      title: 'The rule "cron" has paused itself',
      text: '3 releases failed in a row',
      facts: { rule: 'cron' },
    },
  ])
})

test('the same record gives the same notice, and another one another', () => {
  const paused = { type: 'rule-paused', rule: 'cron', why: 'x' } as const
  const [first, second] = told(paused, paused)
  expect(told(paused)[0]).toEqual(first)
  expect(second!.id).not.toBe(first!.id)
})

test('what was left behind is told once for the same things, and what is only leased is not', () => {
  const machine = { kind: 'machine', id: 'i-1', region: 'us-east-1' }
  const leak = (action: 'removed' | 'would be removed' | 'left' | 'failed', id: string) =>
    ({
      cloud: 'aws',
      resource: { ...machine, id },
      action,
      why: 'its lease has been over for 90 min',
    }) as const
  expect(leaksFound([leak('left', 'i-1'), { cloud: 'ibm', action: 'failed', why: 'no answer' }], 5)).toEqual(
    [],
  )
  const [notice] = leaksFound(
    [leak('would be removed', 'i-1'), leak('left', 'i-2'), leak('failed', 'i-3')],
    5,
  )
  expect(notice).toMatchObject({
    occasion: 'leak-found',
    at: 5,
    title: '2 things were left behind in aws',
    text: 'aws: machine i-1: would be removed: its lease has been over for 90 min\naws: machine i-3: failed: its lease has been over for 90 min',
    hint: 'See all, then remove: factory reap',
  })
  const [again] = leaksFound([leak('failed', 'i-3'), leak('would be removed', 'i-1')], 3_600_005)
  expect(again!.id).toBe(notice!.id)
  const [removed] = leaksFound([leak('removed', 'i-1')], 5)
  expect(removed).not.toHaveProperty('hint')
  expect(removed!.id).not.toBe(notice!.id)
})

test('names a bounded number of what was left behind', () => {
  const many = Array.from({ length: 200 }, (_, index) => ({
    cloud: 'aws',
    resource: { kind: 'disk', id: `vol-${index}` },
    action: 'removed' as const,
    why: 'over',
  }))
  const [notice] = leaksFound(many, 1)
  expect(notice!.text.split('\n')).toHaveLength(51)
  expect(notice!.text).toContain('and 150 more')
})
