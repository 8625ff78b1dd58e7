import pLimit from 'p-limit'
import { beforeAll, describe, expect, test } from 'vitest'
import { journalRecord } from '#src/journal/records.ts'
import type { Injection } from './points.ts'
import { newWorld, pointsOf, startRun } from './run.ts'
import { expectGone, expectNothingUnknown, expectOneOfEverything } from './world.ts'

/** As many orchestrators at once as there are cores. */
const atOnce = pLimit(2)
const both = ['x86_64', 's390x'] as const
const failing = { failing: ['s390x'] }
/** Written by other commands, each with a test of its own. */
const notOfARelease = [
  'artifact-removed',
  'image-marked',
  'image-removed',
  'image-removing',
  'lease-found',
  'lease-kept',
  'release-ignored',
  'release-pinned',
  'rule-paused',
  'rule-resumed',
  'source-seen',
  'tick-done',
  'tick-taken',
]

/** The points of a whole release, of one that fails on s390x, and of one that goes on after a kill. */
const runs: Record<'whole' | 'failed' | 'resumed', string[]> = { whole: [], failed: [], resumed: [] }
beforeAll(async () => {
  runs.whole = await pointsOf(newWorld())
  runs.failed = await pointsOf(newWorld(), failing)
  runs.resumed = await pointsOf(await cutOffWorld(), { architectures: ['x86_64'], maxBuilders: 1 })
})

/** A world whose orchestrator was killed in the middle of its only build. */
async function cutOffWorld(): Promise<string> {
  const world = newWorld()
  const injection = { point: 'append container-built x86_64 #1', when: 'after', what: 'kill' } as const
  await startRun(world, { architectures: ['x86_64'], maxBuilders: 1, injection })
  return world
}

function around(points: readonly string[]): Injection[] {
  return points.flatMap((point) =>
    (['before', 'after'] as const).map((when): Injection => ({ point, when, what: 'kill' })),
  )
}

describe('an orchestrator that is killed and run again', () => {
  test('is killed at every kind of record that a release writes', () => {
    const written = new Set(
      Object.values(runs).flatMap((points) => points.map((point) => point.split(' ')[1])),
    )
    const kinds = journalRecord.options.map(({ shape }) => shape.type.value)
    // The engine writes its start before anything of a release; killed there, nothing has happened yet.
    const missing = kinds.filter((kind) => kind !== 'engine-started' && !written.has(kind))
    expect(missing.toSorted()).toEqual(notOfARelease)
  })

  test('before and after every append and every call: one of everything, and nothing is left', async () => {
    const injections = around(runs.whole)
    await Promise.all(
      injections.map((injection) =>
        atOnce(async () => {
          const world = newWorld()
          const after = `killed ${injection.when} ${injection.point}`
          const killed = await startRun(world, { injection })
          expect(killed.signal, `${after}\n${killed.stderr}`).toBe('SIGKILL')
          expectNothingUnknown(world, after)
          const second = await startRun(world)
          expect(second.exitCode, `${after}\n${second.stderr}`).toBe(0)
          expectOneOfEverything(world, both, after)
        }),
      ),
    )
    process.stderr.write(`killed at ${injections.length} points of ${runs.whole.length} transitions\n`)
  })

  test('again while it goes on after a kill: still one of everything', async () => {
    // What comes before a point comes after the one before it, so here once is enough.
    const injections = around(runs.resumed).filter(({ when }) => when === 'after')
    await Promise.all(
      injections.map((injection) =>
        atOnce(async () => {
          const world = await cutOffWorld()
          const after = `killed again ${injection.when} ${injection.point}`
          const architectures = ['x86_64'] as const
          const killed = await startRun(world, {
            architectures: [...architectures],
            maxBuilders: 1,
            injection,
          })
          expect(killed.signal, `${after}\n${killed.stderr}`).toBe('SIGKILL')
          expectNothingUnknown(world, after)
          const last = await startRun(world, { architectures: [...architectures], maxBuilders: 1 })
          expect(last.exitCode, `${after}\n${last.stderr}`).toBe(0)
          expectOneOfEverything(world, architectures, after)
        }),
      ),
    )
  })

  test("around a person's error: the other architecture is finished, and nothing is left", async () => {
    const points = runs.failed.filter((point) => point.includes('s390x'))
    await Promise.all(
      around(points).map((injection) =>
        atOnce(async () => {
          const world = newWorld()
          const after = `failing, killed ${injection.when} ${injection.point}`
          const killed = await startRun(world, { ...failing, injection })
          expect(killed.signal, after).toBe('SIGKILL')
          expectNothingUnknown(world, after)
          const second = await startRun(world, failing)
          expect(second.exitCode, `${after}\n${second.stderr}`).toBe(3)
          expectGone(world, after)
        }),
      ),
    )
  })
})

describe('an answer that is lost after the call had its effect', () => {
  test('costs no second machine and no second image, whichever call it was', async () => {
    const calls = runs.whole.filter((point) =>
      /^call (acquire|prolong|release|find|publish|writeIndex)/.test(point),
    )
    expect(calls.length).toBeGreaterThan(15)
    await Promise.all(
      calls.map((point) =>
        atOnce(async () => {
          const world = newWorld()
          const injection = { point, when: 'after', what: 'lose' } as const
          const run = await startRun(world, { injection })
          expect(run.exitCode, `${point}\n${run.stderr}`).toBe(0)
          expectOneOfEverything(world, both, `lost answer of ${point}`)
        }),
      ),
    )
  })
})
