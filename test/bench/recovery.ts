/**
 * How long a killed engine is away: from the start of a new process until it works again, with a long history behind it.
 *
 *   npm run bench:recovery             prints every run and the median
 *   npm run bench:recovery -- --check  exits 1 when the median is over the target
 *
 * The journal holds 10,000 records of real releases of four architectures, a day apart, and its engine was killed in the
 * middle of the last one. Measured is a whole process: node itself, taking the engine's place, reading and verifying the
 * journal, planning, and the first record of the release that goes on. That record ends the process.
 */
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openJournal } from '#src/journal/journal.ts'
import { newWorld, startRun } from '#test/chaos/run.ts'
import { worldWithHistory } from './long-history.ts'

const historyRecords = 10_000
const targetSeconds = 2
const runs = 7
const architectures = ['x86_64', 'aarch64', 'ppc64le', 's390x'] as const

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
process.exitCode = (await main()) || !values.check ? 0 : 1

async function main(): Promise<boolean> {
  const killed = await worldWithHistory(historyRecords)
  try {
    console.log(`${countRecords(killed)} records, killed in the middle of a release`)
    const seconds: number[] = []
    for (let run = 1; run <= runs; run += 1) {
      seconds.push(await measure(killed))
      console.log(`  run ${run}   ${seconds.at(-1)?.toFixed(2)} s`)
    }
    await expectDone(killed)
    const middle = seconds.toSorted((a, b) => a - b)[Math.floor(runs / 2)] as number
    console.log(`  median  ${middle.toFixed(2)} s`)
    if (middle > targetSeconds) console.log(`  missed: it must be ${targetSeconds} s at most`)
    return middle <= targetSeconds
  } finally {
    rmSync(killed, { recursive: true })
  }
}

async function measure(killed: string): Promise<number> {
  const world = copyOf(killed)
  const injection = { point: 'append release-resumed #1', when: 'after', what: 'kill' } as const
  const startedAt = performance.now()
  const run = await startRun(world, { architectures: [...architectures], injection })
  const seconds = (performance.now() - startedAt) / 1000
  rmSync(world, { recursive: true })
  if (run.signal !== 'SIGKILL') throw new Error(`did not go on with its release: ${run.stderr}`)
  return seconds
}

/** What was measured must be a release that can go on to its end. */
async function expectDone(world: string): Promise<void> {
  const run = await startRun(world, { architectures: [...architectures] })
  if (run.exitCode !== 0) throw new Error(`did not end: ${run.stderr}`)
}

function copyOf(killed: string): string {
  const world = newWorld()
  cpSync(killed, world, { recursive: true })
  return world
}

/** A look through a copy, for the reader's first look checkpoints what the killed engine left. */
function countRecords(killed: string): number {
  const world = copyOf(killed)
  try {
    using journal = openJournal(join(world, 'state'))
    return journal.read().length
  } finally {
    rmSync(world, { recursive: true })
  }
}
