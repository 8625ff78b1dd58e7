import { rm } from 'node:fs/promises'
import pLimit from 'p-limit'
import type { Injection } from './points.ts'
import { type CloudAccount, newWorld, startRun } from './run.ts'
import { answeringMachines } from './machine-answers.ts'

/** What the last request of a killed orchestrator comes to, or whose answer is lost; it is done before that, or not. */
export interface Outage {
  readonly kind: 'stalled' | 'cut'
  readonly isDone: boolean
}

/** Something that shall happen to a request. */
export interface Struck {
  /** How often it has happened. */
  readonly count: number
  readonly happened: Promise<unknown>
  remove(): void
}

/** A cloud that belongs to one world alone, as its servers have it. */
export interface WorldCloud extends AsyncDisposable {
  readonly account: Omit<CloudAccount, 'machines'>
  /** Where images are published and booted. */
  readonly regions: readonly string[]
  /** Where images are published and not booted. */
  readonly unverified?: readonly string[]
  /** Names of the requests so far that changed something, in the order of their arrival: `CopyImage eu-west-1`. */
  changes(): string[]
  forgetRequests(): void
  /** Lets something happen to a request once, counted from now on: `CopyImage eu-west-1 #1`. */
  strike(request: string, outage: Outage): Struck
  /** What a machine says of itself; undefined while it does not answer. Missing where machines are logged in to. */
  answerOf?(machine: string): Promise<string | undefined>
  /** The leases whose machines live. */
  living(): Promise<string[]>
  /** The lease of every machine that was ever started, one entry a machine. */
  started(): Promise<string[]>
  /** What is there beside machines, images and what images stand on. */
  others(): Promise<string[]>
}

type Ended = Awaited<ReturnType<typeof startRun>>

/** A state directory, and a cloud for it. */
export interface CloudWorld<Own extends WorldCloud = WorldCloud> {
  readonly directory: string
  readonly cloud: Own
  run(injection?: Injection): Promise<Ended>
  /** Runs until that has happened, and kills the orchestrator before it hears of it. */
  killWhen(struck: Struck): Promise<Ended>
}

export type InWorld<Own extends WorldCloud> = <T>(work: (world: CloudWorld<Own>) => Promise<T>) => Promise<T>

/**
 * Makes worlds, one at once for each place: servers that belong to one world after the other, and are emptied between
 * them. What stands there in the end is what this world has made, and nothing has to be looked for by its marks.
 */
export function cloudWorlds<Place, Own extends WorldCloud>(
  places: readonly Place[],
  open: (place: Place, directory: string) => Promise<Own>,
): InWorld<Own> {
  const free = [...places]
  const atOnce = pLimit(places.length)
  return (work) =>
    atOnce(async () => {
      const place = free.pop()!
      const directory = newWorld()
      try {
        await using cloud = await open(place, directory)
        const result = await workIn(directory, cloud, work)
        await rm(directory, { recursive: true })
        return result
      } finally {
        free.push(place)
      }
    })
}

async function workIn<Own extends WorldCloud, T>(
  directory: string,
  cloud: Own,
  work: (world: CloudWorld<Own>) => Promise<T>,
): Promise<T> {
  await using machines = await answeringMachines(cloud)
  const account: CloudAccount = {
    ...cloud.account,
    ...(machines === undefined ? {} : { machines: machines.url }),
  }
  const run = (injection?: Injection) =>
    startRun(directory, {
      architectures: ['x86_64'],
      cloud: account,
      ...(injection === undefined ? {} : { injection }),
    })
  return await work({
    directory,
    cloud,
    run,
    async killWhen(struck) {
      const running = run()
      await Promise.race([struck.happened, running])
      running.kill('SIGKILL')
      const killed = await running
      struck.remove()
      return killed
    },
  })
}
