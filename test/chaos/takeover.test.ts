import { join } from 'node:path'
import pLimit from 'p-limit'
import { expect, test } from 'vitest'
import { readJournal } from '#src/journal/journal.ts'
import { isLong, shareOf } from './cloud-points.ts'
import { openLedger } from './ledger.ts'
import { chooseSeed } from './random.ts'
import { newWorld, pointsOf, startRun } from './run.ts'
import { ageLocks, untilStopped } from './stopped.ts'
import { expectOneOfEverything } from './world.ts'

const atOnce = pLimit(2)
const both = ['x86_64', 's390x'] as const

test('an orchestrator that was stopped after any of its intents and calls and wakes when another has finished changes nothing', async () => {
  const all = await pointsOf(newWorld())
  // The architectures do the same; one of them and what belongs to none is everything.
  const different = all.filter((point) => !point.includes('s390x'))
  const points = isLong ? different : shareOf(different, chooseSeed(), 2)
  await Promise.all(
    points.map((point) =>
      atOnce(async () => {
        const world = newWorld()
        const after = `stopped after ${point}`
        const stopped = startRun(world, { injection: { point, when: 'after', what: 'stop' } })
        await untilStopped(stopped.pid!)
        const refused = await startRun(world)
        expect(refused.stderr, after).toContain('is at work')
        ageLocks(join(world, 'state'))
        const successor = await startRun(world, { takeOver: true })
        expect(successor.exitCode, `${after}\n${successor.stderr}`).toBe(0)
        expectOneOfEverything(world, both, after)
        const before = snapshot(world)
        stopped.kill('SIGCONT')
        const woken = await stopped
        expect(woken.exitCode, `${after}\n${woken.stderr}`).toBe(point.includes('release-closed') ? 0 : 1)
        expect(snapshot(world), after).toEqual(before)
        if (woken.exitCode === 1) expect(woken.stderr, after).toContain('fenced')
        expectOneOfEverything(world, both, after)
      }),
    ),
  )
})

/** Everything outside of the orchestrators, and what the journal says. */
function snapshot(world: string): unknown {
  using ledger = openLedger(world)
  using journal = readJournal(join(world, 'state'))
  return { world: ledger.digest(), records: journal.read().length }
}
