import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { readJournal } from '#src/journal/journal.ts'
import { chooseSeed, randomFrom } from './random.ts'
import { newWorld, startRun } from './run.ts'
import { expectNothingUnknown, expectOneOfEverything } from './world.ts'

/*
 * The sweep kills at every transition; this kills anywhere: in the middle of a write, of an import, of a system call.
 * CHAOS_KILLS says how often.
 */
const kills = Number(process.env['CHAOS_KILLS'] ?? 40)
const both = ['x86_64', 's390x'] as const
/** One for each core. */
const lanes = 2
const killsOfOneWorld = 4
/** 2000 kills take half an hour where nothing else runs. */
const limitMs = 4 * 60 * 60_000

test(
  'an orchestrator that is killed at random microseconds, again and again, makes one of everything',
  async () => {
    const seed = chooseSeed()
    const runMs = await lengthOfRun()
    const told = `CHAOS_SEED=${seed} CHAOS_KILLS=${kills}`
    process.stderr.write(`${told}: a run takes ${Math.round(runMs)} ms\n`)
    const found = await Promise.all(
      Array.from({ length: lanes }, (_, lane) => killOften(randomFrom(seed + lane), runMs, told)),
    )
    const killed = found.reduce((sum, lane) => sum + lane.killed, 0)
    const atWork = found.reduce((sum, lane) => sum + lane.atWork, 0)
    process.stderr.write(`killed ${killed} times, ${atWork} of them with the release under way\n`)
    expect(killed).toBeGreaterThanOrEqual(kills)
    expect(atWork).toBeGreaterThan(kills / 5)
  },
  limitMs,
)

/** Kills in world after world; each is run to its end and looked at. */
async function killOften(random: () => number, runMs: number, told: string) {
  const counted = { killed: 0, atWork: 0 }
  while (counted.killed < kills / lanes) {
    const world = newWorld()
    const delays: number[] = []
    let done = false
    while (!done && delays.length < killsOfOneWorld && counted.killed < kills / lanes) {
      const microseconds = Math.floor(momentOf(random) * runMs * 1000)
      const after = `${told}: ${world} killed after ${[...delays, microseconds].join(', ')} µs`
      const run = startRun(world)
      await delayMicroseconds(microseconds)
      run.kill('SIGKILL')
      const { signal, exitCode, stderr } = await run
      const underWay = lookAt(world, after)
      if (signal === 'SIGKILL') {
        delays.push(microseconds)
        counted.killed += 1
        if (underWay) counted.atWork += 1
      } else {
        expect(exitCode, `${after}\n${stderr}`).toBe(0)
        done = true
      }
    }
    const after = `${told}: ${world} killed after ${delays.join(', ')} µs`
    if (!done) {
      const last = await startRun(world)
      expect(last.exitCode, `${after}\n${last.stderr}`).toBe(0)
    }
    expectOneOfEverything(world, both, after, 1 + delays.length)
    rmSync(world, { recursive: true })
  }
  return counted
}

/** Whether a release is open. Looked at is a copy: a reader would tidy up what the killed one left for its successor. */
function lookAt(world: string, after: string): boolean {
  const copy = newWorld()
  cpSync(world, copy, { recursive: true })
  expectNothingUnknown(copy, after)
  using journal = readJournal(join(copy, 'state'))
  const open = journal.state().releases.some(({ outcome }) => outcome === undefined)
  rmSync(copy, { recursive: true })
  return open
}

/** A share of a run's length. The first third of a run is mostly the start of node, so few of the kills go there. */
function momentOf(random: () => number): number {
  return random() < 0.2 ? random() : 0.3 + 0.7 * random()
}

/** While both lanes are at work, as in the runs that are killed; the first runs only warm up. */
async function lengthOfRun(): Promise<number> {
  const together = () => Promise.all(Array.from({ length: lanes }, () => startRun(newWorld())))
  await together()
  const startedAt = performance.now()
  await together()
  return performance.now() - startedAt
}

/** Timers count in milliseconds; the rest of the last one is waited out. */
async function delayMicroseconds(microseconds: number): Promise<void> {
  const until = performance.now() + microseconds / 1000
  await delay(Math.floor(microseconds / 1000))
  while (performance.now() < until);
}
