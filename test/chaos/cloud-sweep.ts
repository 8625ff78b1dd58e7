import { beforeAll, expect } from 'vitest'
import {
  type Kill,
  type RunPoints,
  type Spared,
  around,
  isLong,
  partsOfPoint,
  pointsOfRun,
  shareOf,
} from './cloud-points.ts'
import { expectNoUnknownMachine } from './cloud-world.ts'
import type { CloudWorld, InWorld, Outage, Struck, WorldCloud } from './cloud-worlds.ts'
import { chooseSeed } from './random.ts'

/** What is special about the sweep of one cloud. */
export interface SweptCloud<Own extends WorldCloud> {
  /** Asked once, before the tests. */
  openWorlds(): InWorld<Own> | Promise<InWorld<Own>>
  /** What must hold when a release was cut off and then run to its end. */
  expectOneOfEverything(world: CloudWorld<Own>, after: string): Promise<void>
  readonly spared?: Spared
  /** Requests that a run makes or not as its timing has it: no point of any sweep. */
  readonly uncertain?: RegExp
}

/** The engine together with one adapter, killed in worlds of its own and looked at afterwards. */
export interface CloudSweep<Own extends WorldCloud> {
  /** The points of a whole release; there when the tests begin. */
  readonly whole: RunPoints
  /** Where a whole release is killed, in one run of this sweep or another. */
  kills(): Kill[]
  /** Those of these requests that this run has to do with; all in a long run. */
  share(requests: readonly string[]): string[]
  /** Kills at the share of this run, runs again to the end, and looks. */
  killAround(): Promise<void>
  /**
   * The same in a run that takes up the machine of one which was killed in the middle of its build: at the records of that,
   * and at the first requests, whose names these are.
   */
  killWhenTakenUp(requests: readonly string[]): Promise<void>
  /** Runs with the answer to that request lost, its connection cut if not otherwise, and looks. */
  loseAnswer(world: CloudWorld<Own>, request: string, struck?: Struck): Promise<void>
  /** Runs with the connection cut under the first request of each kind, done, and looks. */
  loseOneOfEach(): Promise<void>
  /** Every point in a world of its own; one that fails does not hide the others. */
  inEach<T>(points: readonly T[], work: (world: CloudWorld<Own>, point: T) => Promise<void>): Promise<void>
}

const cutOff: Outage = { kind: 'cut', isDone: true }
const takenUp = ['append lease-acquired x86_64', 'append lease-prolonged x86_64']

/** To be called outside of tests: a hook finds the points of a whole release, and of one that goes on after a kill. */
export function cloudSweep<Own extends WorldCloud>({
  openWorlds,
  expectOneOfEverything,
  spared = {},
  uncertain,
}: SweptCloud<Own>): CloudSweep<Own> {
  let inWorld: InWorld<Own>
  let whole: RunPoints = { appends: [], requests: [] }
  let resumed = whole
  beforeAll(async () => {
    inWorld = await openWorlds()
    ;[whole, resumed] = await Promise.all([
      inWorld(pointsOfRun),
      inWorld(async (world) => {
        await killInBuild(world)
        return await pointsOfRun(world)
      }),
    ])
    whole.requests = whole.requests.filter((request) => !uncertain?.test(request))
  }, 600_000)

  const seed = chooseSeed()
  const kills = () => around(whole, spared)
  const inEach: CloudSweep<Own>['inEach'] = async (points, work) => {
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
  async function killAndRunAgain(world: CloudWorld<Own>, { point, when }: Kill): Promise<void> {
    const after = `killed ${when} ${point}, ${world.directory}`
    const killed = point.startsWith('append ')
      ? await world.run({ point, when, what: 'kill' })
      : await world.killWhen(world.cloud.strike(point, { kind: 'stalled', isDone: when === 'after' }))
    expect(killed.signal, `${after}\n${killed.stderr}`).toBe('SIGKILL')
    await expectNoUnknownMachine(world, after)
    await endWell(world, after)
  }
  return {
    get whole() {
      return whole
    },
    kills,
    share: (requests) => (isLong ? [...requests] : shareOf(requests, seed)),
    inEach,
    async killAround() {
      const all = kills()
      const named = new Map(all.map((kill) => [`${kill.when} ${kill.point}`, kill]))
      const share = isLong ? all : shareOf([...named.keys()], seed).map((name) => named.get(name) as Kill)
      await inEach(share, killAndRunAgain)
      const transitions = whole.appends.length + whole.requests.length
      process.stderr.write(
        `killed at ${share.length} of ${all.length} points of ${transitions} transitions\n`,
      )
    },
    async killWhenTakenUp(requests) {
      const points = [
        ...resumed.appends.filter((point) => /^append lease-(acquired|prolonged) .*#1$/.test(point)),
        ...resumed.requests.slice(0, requests.length),
      ]
      expect(points.map((point) => partsOfPoint(point).name)).toEqual([...takenUp, ...requests])
      await inEach(points, async (world, point) => {
        await killInBuild(world)
        await killAndRunAgain(world, { point, when: 'after' })
      })
    },
    async loseAnswer(world, request, struck = world.cloud.strike(request, cutOff)) {
      const after = `answer of ${request} lost, ${world.directory}`
      await endWell(world, after)
      expect(struck.count, after).toBe(1)
    },
    async loseOneOfEach() {
      const kinds = [...new Set(whole.requests.map((request) => `${partsOfPoint(request).name} #1`))]
      await inEach([kinds], async (world, each) => {
        const struck = each.map((request) => world.cloud.strike(request, cutOff))
        await endWell(world, `answers cut, ${world.directory}`)
        expect(struck.map(({ count }) => count)).toEqual(each.map(() => 1))
      })
    },
  }
}

/** Kills in the middle of the build: its machine is rented, and nothing is published. */
async function killInBuild({ run, cloud }: CloudWorld): Promise<void> {
  await run({ point: 'append container-built x86_64 #1', when: 'after', what: 'kill' })
  cloud.forgetRequests()
}
