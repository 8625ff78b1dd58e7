import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { cut, late, lostAnswer, stalled } from '#test/servers/aws-front/effects.ts'
import { type Kill, type RunPoints, around, betweenBlocks, isReading, pointsOfRun } from './aws-points.ts'
import { expectNoUnknownMachine, expectOneOfEverythingOnAws } from './aws-world.ts'
import { type RunnableWorld, awsWorlds, strikeAt } from './aws-worlds.ts'

/*
 * The engine and the AWS adapter together, of which sweep.test.ts has the first alone and the tests of test/clouds the
 * second. One architecture says as much as two: in the adapter they share nothing.
 */
const inWorld = awsWorlds()
let whole: RunPoints = { appends: [], requests: [] }
let resumed = whole
beforeAll(async () => {
  const runs = await Promise.all([
    inWorld(pointsOfRun),
    inWorld(async (world) => {
      await killInBuild(world)
      return await pointsOfRun(world)
    }),
  ])
  whole = runs[0]
  resumed = runs[1]
}, 600_000)

/** The middle of the build: its machine is rented, and nothing is published. */
async function killInBuild(world: RunnableWorld): Promise<void> {
  await world.run({ point: 'append container-built x86_64 #1', when: 'after', what: 'kill' })
  world.front.forgetRequests()
}

async function killAndRunAgain(world: RunnableWorld, { point, when }: Kill): Promise<void> {
  const after = `killed ${when} ${point}, ${world.directory}`
  const killed = point.startsWith('append ')
    ? await world.run({ point, when, what: 'kill' })
    : await world.killAt(point, stalled(when === 'after'))
  expect(killed.signal, `${after}\n${killed.stderr}`).toBe('SIGKILL')
  await expectNoUnknownMachine(world, after)
  const second = await world.run()
  expect(second.exitCode, `${after}\n${second.stderr}`).toBe(0)
  await expectOneOfEverythingOnAws(world, after)
}

/** Every point in a world of its own; one that fails does not hide the others. */
async function inEach<T>(points: readonly T[], work: (world: RunnableWorld, point: T) => Promise<void>) {
  const outcomes = await Promise.allSettled(
    points.map((point) => inWorld(async (world) => await work(world, point))),
  )
  const failures = outcomes.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : []))
  expect(failures).toEqual([])
}

/** Requests of the adapter that change something and that such a release does not make. */
const notOfSuchARelease = {
  'of method: s3, which test/clouds/aws-bucket.test.ts kills': [
    'AbortMultipartUpload',
    'CompleteMultipartUpload',
    'CreateMultipartUpload',
    'DeleteObject',
    'ImportSnapshot',
    'UploadPart',
  ],
  'only for what failed or was left over': ['DeleteSnapshot', 'DeregisterImage'],
  'only for images that are to be used after all, which test/clouds/aws-marks.test.ts cuts off': [
    'DisableImageDeprecation',
  ],
  'only for what a machine that has ended left behind': [
    'CancelSpotInstanceRequests',
    'DeleteNetworkInterface',
    'DeleteVolume',
    'ReleaseAddress',
  ],
}

describe('an orchestrator on AWS that is killed and run again', () => {
  test('is killed at every kind of request that the adapter changes something with', () => {
    const adapter = new URL('../../clouds/aws', import.meta.url).pathname
    const sources = readdirSync(adapter, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.startsWith('doctor'))
      .map((name) => readFileSync(join(adapter, name), 'utf8'))
    const made = sources.flatMap((source) =>
      [...source.matchAll(/new (\w+)Command\(/g)].map(([, action]) => action as string),
    )
    const killedAt = new Set(around(whole).map(({ point }) => point.split(' ')[0]))
    const missing = new Set(made.filter((action) => !isReading(action) && !killedAt.has(action)))
    expect([...missing].toSorted()).toEqual(Object.values(notOfSuchARelease).flat().toSorted())
  })

  test('around every append and every request that changes something: one of everything, and nothing is left', async () => {
    const kills = around(whole)
    await inEach(kills, killAndRunAgain)
    const transitions = whole.appends.length + whole.requests.length
    process.stderr.write(`killed at ${kills.length} points of ${transitions} transitions\n`)
  })

  test('again when it has taken up the machine of a run that was killed: still that one', async () => {
    const points = [
      ...resumed.appends.filter((point) => /^append lease-(acquired|prolonged) .*#1$/.test(point)),
      ...resumed.requests.slice(0, 1),
    ]
    expect(points).toHaveLength(3)
    expect(points.at(-1)).toMatch(/^CreateTags /)
    await inEach(points, async (world, point) => {
      await killInBuild(world)
      await killAndRunAgain(world, { point, when: 'after' })
    })
  })

  test('whose last request comes to AWS only when the next run is over: it makes nothing more', async () => {
    const points = whole.requests.filter((request) => /^(Run|Start|Register|Copy)/.test(request))
    expect(points).toHaveLength(6)
    await inEach(points, async (world, point) => {
      const after = `${point} comes late, ${world.directory}`
      const { effect, letHappen } = late()
      await world.killAt(point, effect)
      const second = await world.run()
      expect(second.exitCode, `${after}\n${second.stderr}`).toBe(0)
      const { refusal } = await letHappen()
      // Names are unique, and a token that comes back with the same request gives what it gave.
      expect(refusal, after).toBe(point.startsWith('Register') ? 'InvalidAMIName.Duplicate' : undefined)
      await expectOneOfEverythingOnAws(world, after)
    })
  })
})

describe('an answer of AWS that is lost after the request had its effect', () => {
  test('costs no second machine and no second image, whichever it was', async () => {
    const requests = whole.requests.filter((request) => !betweenBlocks.test(request))
    await inEach(requests, async (world, request) => {
      const after = `answer of ${request} lost, ${world.directory}`
      const fault = strikeAt(world.front, request, lostAnswer())
      const run = await world.run()
      expect(fault.count, after).toBe(1)
      expect(run.exitCode, `${after}\n${run.stderr}`).toBe(0)
      await expectOneOfEverythingOnAws(world, after)
    })
  })

  test('costs nothing more when the connection breaks under each kind of request, one after the other', async () => {
    const kinds = [...new Set(whole.requests.map((request) => request.replace(/ #\d+$/, ' #1')))]
    await inEach([kinds], async (world, each) => {
      const faults = each.map((request) => strikeAt(world.front, request, cut(true)))
      const run = await world.run()
      expect(faults.map(({ count }) => count)).toEqual(each.map(() => 1))
      expect(run.exitCode, run.stderr).toBe(0)
      await expectOneOfEverythingOnAws(world, `answers cut, ${world.directory}`)
    })
  })
})
