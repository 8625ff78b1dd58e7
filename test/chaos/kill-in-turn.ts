import { expect } from 'vitest'
import type { Injection } from './points.ts'
import { type RunChanges, newWorld, startRuns } from './run.ts'
import { expectNothingUnknown } from './world.ts'

/** As many orchestrators at once as there are cores. */
const lanes = 2

interface Expected extends RunChanges {
  /** What the last run of each world ends with. */
  exitCode?: number
  /** Looks at a world when its last run is over; `after` says where it was killed. */
  look(world: string, after: string): void
}

/** A world that was killed in, and has not been run to its end yet. */
interface CutOff {
  world: string
  after: string
}

/**
 * Kills at all of these places, in a world of its own for each list, and then runs that to its end. This last run and the
 * first one of the next world are one process, for starting node costs as much as a run: what goes on after a kill is
 * always a process that has done nothing yet.
 */
export async function killInTurn(
  places: readonly (readonly Injection[])[],
  { exitCode = 0, look, ...changes }: Expected,
): Promise<void> {
  const left = [...places]
  const lane = async () => {
    let cutOff: CutOff | undefined
    const goOn = async (next?: CutOff, injection?: Injection) => {
      const finished = cutOff && { directory: cutOff.world, ...changes }
      const killed = next && { directory: next.world, ...changes, ...(injection ? { injection } : {}) }
      const ended = await startRuns([finished, killed].filter((run) => run !== undefined))
      if (cutOff) {
        expect(ended.stdout.split('\n')[0], `${cutOff.after}\n${ended.stderr}`).toBe(String(exitCode))
        look(cutOff.world, cutOff.after)
        cutOff = undefined
      }
      if (next) {
        expect(ended.signal, `${next.after}\n${ended.stderr}`).toBe('SIGKILL')
        expectNothingUnknown(next.world, next.after)
      }
    }
    for (let kills = left.shift(); kills; kills = left.shift()) {
      const after = kills.map(({ point, when }) => `killed ${when} ${point}`).join(', ')
      const next = { world: newWorld(), after }
      for (const injection of kills) await goOn(next, injection)
      cutOff = next
    }
    if (cutOff) await goOn()
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}
