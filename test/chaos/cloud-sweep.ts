import { expect } from 'vitest'
import { type Kill, type RunPoints, partsOfPoint, pointsOfRun } from './cloud-points.ts'
import { expectNoUnknownMachine } from './cloud-world.ts'
import type { CloudWorld, InWorld, Outage, Struck, WorldCloud } from './cloud-worlds.ts'

/** The engine together with one adapter, killed in worlds of its own and looked at afterwards. */
export interface CloudSweep<Own extends WorldCloud> {
  /** The points of a whole release, and of one that goes on after a kill in the middle of its build. */
  points(): Promise<{ whole: RunPoints; resumed: RunPoints }>
  /** Kills, runs again to the end, and looks. */
  killAndRunAgain(world: CloudWorld<Own>, kill: Kill): Promise<void>
  /** Kills in the middle of the build: its machine is rented, and nothing is published. */
  killInBuild(world: CloudWorld<Own>): Promise<void>
  /** Runs with the answer to that request lost, its connection cut if not otherwise, and looks. */
  loseAnswer(world: CloudWorld<Own>, request: string, struck?: Struck): Promise<void>
  /** Runs with the connection cut under the first request of each kind, done, and looks. */
  loseOneOfEach(points: RunPoints): Promise<void>
  /** Every point in a world of its own; one that fails does not hide the others. */
  inEach<T>(points: readonly T[], work: (world: CloudWorld<Own>, point: T) => Promise<void>): Promise<void>
}

const cutOff: Outage = { kind: 'cut', isDone: true }

export function cloudSweep<Own extends WorldCloud>(
  inWorld: InWorld<Own>,
  expectOneOfEverything: (world: CloudWorld<Own>, after: string) => Promise<void>,
): CloudSweep<Own> {
  async function killInBuild({ run, cloud }: CloudWorld<Own>): Promise<void> {
    await run({ point: 'append container-built x86_64 #1', when: 'after', what: 'kill' })
    cloud.forgetRequests()
  }
  async function inEach<T>(
    points: readonly T[],
    work: (world: CloudWorld<Own>, point: T) => Promise<void>,
  ): Promise<void> {
    const outcomes = await Promise.allSettled(
      points.map((point) => inWorld(async (world) => await work(world, point))),
    )
    const failures = outcomes.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : []))
    expect(failures).toEqual([])
  }
  async function endWell(world: CloudWorld<Own>, after: string): Promise<void> {
    const { exitCode, stderr } = await world.run()
    expect(exitCode, `${after}\n${stderr}`).toBe(0)
    await expectOneOfEverything(world, after)
  }
  return {
    killInBuild,
    async points() {
      const [whole, resumed] = await Promise.all([
        inWorld(pointsOfRun),
        inWorld(async (world) => {
          await killInBuild(world)
          return await pointsOfRun(world)
        }),
      ])
      return { whole, resumed }
    },
    async killAndRunAgain(world, { point, when }) {
      const after = `killed ${when} ${point}, ${world.directory}`
      const killed = point.startsWith('append ')
        ? await world.run({ point, when, what: 'kill' })
        : await world.killWhen(world.cloud.strike(point, { kind: 'stalled', isDone: when === 'after' }))
      expect(killed.signal, `${after}\n${killed.stderr}`).toBe('SIGKILL')
      await expectNoUnknownMachine(world, after)
      await endWell(world, after)
    },
    async loseAnswer(world, request, struck = world.cloud.strike(request, cutOff)) {
      const after = `answer of ${request} lost, ${world.directory}`
      await endWell(world, after)
      expect(struck.count, after).toBe(1)
    },
    async loseOneOfEach({ requests }) {
      const kinds = [...new Set(requests.map((request) => `${partsOfPoint(request).name} #1`))]
      await inEach([kinds], async (world, each) => {
        const struck = each.map((request) => world.cloud.strike(request, cutOff))
        await endWell(world, `answers cut, ${world.directory}`)
        expect(struck.map(({ count }) => count)).toEqual(each.map(() => 1))
      })
    },
    inEach,
  }
}

/** For people, as every sweep prints it. */
export function tellKills(kills: readonly Kill[], { appends, requests }: RunPoints): void {
  process.stderr.write(
    `killed at ${kills.length} points of ${appends.length + requests.length} transitions\n`,
  )
}
