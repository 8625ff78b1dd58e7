import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type ArchitectureName, architectureNames } from '#arch/index.ts'
import { emptyState } from '#src/journal/replay.ts'
import type { LeaseTaken } from '#src/journal/journal.ts'
import { claimPlace } from '#src/release/places.ts'
import type { ReleaseScope } from '#src/release/scope.ts'

/** The one cloud of these tests, with what the last builds took there in milliseconds, and places that can be freed. */
function cloudWith(places: number, lastBuildMs: Partial<Record<ArchitectureName, number>>) {
  const granted: string[] = []
  const coming = new Set<ArchitectureName>()
  let taken = 0
  const steps = Object.entries(lastBuildMs).flatMap(([arch, durationMs]) =>
    ['container', 'collect'].map((step) => ({ arch, step, state: 'finished', durationMs: durationMs / 2 })),
  )
  const standing = { cloud: 'lab', released: false, kept: false, lease: {} }
  const state = { ...emptyState(), releases: [{ steps }], leases: [standing] }
  const scope = {
    clouds: new Map([['lab', { builders: { maxBuilders: places } }]]),
    queues: new Map([['lab', []]]),
    coming,
    configuration: { architectures: architectureNames, limits: { lease: 60_000 } },
    journal: {
      state: () => state,
      claim({ lease, purpose }: LeaseTaken) {
        if (taken === places) return false
        taken += 1
        return granted.push(`${lease.arch} ${purpose}`) > 0
      },
    },
    now: Date.now,
    signal: new AbortController().signal,
  } as unknown as ReleaseScope
  const ask = (arch: ArchitectureName, purpose: 'build' | 'verify' = 'build', signal = scope.signal) =>
    claimPlace({ ...scope, signal }, 'lab', () => ({ lease: { arch }, purpose }) as LeaseTaken)
  return { ask, granted, coming, free: () => (taken -= 1) }
}

test('of builds that come together the one that took longest the last time has the first place', async () => {
  const cloud = cloudWith(2, { x86_64: 90_000, aarch64: 100_000, ppc64le: 200_000, s390x: 150_000 })
  for (const arch of architectureNames) cloud.coming.add(arch)
  const early = architectureNames.slice(0, 3).map((arch) => cloud.ask(arch))
  await sleep(500)
  expect(cloud.granted, 'one has not asked yet').toEqual([])
  const all = [...early, cloud.ask('s390x')]
  for (const count of [2, 3, 4]) {
    await expect.poll(() => cloud.granted, { timeout: 10_000 }).toHaveLength(count)
    cloud.free()
  }
  await Promise.all(all)
  expect(cloud.granted).toEqual(['ppc64le build', 's390x build', 'aarch64 build', 'x86_64 build'])
})

test('a build goes before the boot checks that wait already, and these go in the order in which they asked', async () => {
  const cloud = cloudWith(1, {})
  await cloud.ask('x86_64')
  const waiting = [cloud.ask('s390x', 'verify'), cloud.ask('aarch64', 'verify'), cloud.ask('ppc64le')]
  for (const count of [2, 3, 4]) {
    cloud.free()
    await expect.poll(() => cloud.granted, { timeout: 10_000 }).toHaveLength(count)
  }
  await Promise.all(waiting)
  expect(cloud.granted.slice(1)).toEqual(['ppc64le build', 's390x verify', 'aarch64 verify'])
})

test('a build that is long in getting ready keeps the others waiting for seconds only', async () => {
  const cloud = cloudWith(2, {})
  for (const arch of architectureNames) cloud.coming.add(arch)
  await Promise.all([cloud.ask('x86_64'), cloud.ask('aarch64')])
  expect(cloud.granted).toHaveLength(2)
})

test('who gives up waiting stands in nobody’s way', async () => {
  const cloud = cloudWith(1, {})
  await cloud.ask('x86_64')
  const stop = new AbortController()
  const given = expect(cloud.ask('ppc64le', 'build', stop.signal)).rejects.toThrow('given up')
  const next = cloud.ask('s390x', 'verify')
  stop.abort(new Error('given up'))
  await given
  cloud.free()
  await next
  expect(cloud.granted).toEqual(['x86_64 build', 's390x verify'])
})
