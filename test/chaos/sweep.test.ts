import pLimit from 'p-limit'
import { beforeAll, describe, expect, test } from 'vitest'
import { journalRecord } from '#src/journal/records.ts'
import { killInTurn } from './kill-in-turn.ts'
import type { Injection } from './points.ts'
import { type RunChanges, newWorld, pointsOf, startRun } from './run.ts'
import { expectGone, expectOneOfEverything } from './world.ts'

/** As many orchestrators at once as there are cores. */
const atOnce = pLimit(2)
const both = ['x86_64', 's390x'] as const
const failing = { failing: ['s390x'] }
const oneBuild: RunChanges = { architectures: ['x86_64'], maxBuilders: 1 }
/** In the middle of the only build. */
const inBuild: Injection = { point: 'append container-built x86_64 #1', when: 'after', what: 'kill' }
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
  const cutOff = newWorld()
  await startRun(cutOff, { ...oneBuild, injection: inBuild })
  runs.resumed = await pointsOf(cutOff, oneBuild)
})

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
    const kills = around(runs.whole)
    await killInTurn(
      kills.map((kill) => [kill]),
      { look: (world, after) => expectOneOfEverything(world, both, after) },
    )
    process.stderr.write(`killed at ${kills.length} points of ${runs.whole.length} transitions\n`)
  })

  test('again while it goes on after a kill: still one of everything', async () => {
    // What comes before a point comes after the one before it, so here once is enough.
    const kills = around(runs.resumed).filter(({ when }) => when === 'after')
    await killInTurn(
      kills.map((kill) => [inBuild, kill]),
      { ...oneBuild, look: (world, after) => expectOneOfEverything(world, ['x86_64'], after) },
    )
  })

  test("around a person's error: the other architecture is finished, and nothing is left", async () => {
    const points = runs.failed.filter((point) => point.includes('s390x'))
    await killInTurn(
      around(points).map((kill) => [kill]),
      { ...failing, exitCode: 3, look: expectGone },
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
