import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { late, lostAnswer } from '#test/servers/aws-front/effects.ts'
import { awsForTests } from '#test/servers/aws-test.ts'
import { awsCloud } from './aws-cloud.ts'
import { expectOneOfEverythingOnAws } from './aws-image.ts'
import { isReading } from './cloud-points.ts'
import { cloudSweep } from './cloud-sweep.ts'
import { cloudWorlds } from './cloud-worlds.ts'

/*
 * The engine and the AWS adapter together, of which sweep.test.ts has the first alone and the tests of test/clouds the
 * second. One architecture says as much as two: in the adapter they share nothing. The sweep of the engine is whole in every
 * run; this one and those of the other adapters take a sixth of their points in `npm test`, chosen by CHAOS_SEED, and all
 * in `npm run test:chaos`.
 */
const accounts = [awsForTests(), awsForTests()]
/** All blocks are under way at once: the first and the last one are enough. */
const betweenBlocks = /^PutSnapshotBlock \S+ #[23]$/
const sweep = cloudSweep({
  openWorlds: () => cloudWorlds(accounts, awsCloud),
  expectOneOfEverything: expectOneOfEverythingOnAws,
  spared: {
    between: betweenBlocks,
    // The last one for the mark that an image is ready.
    inARow:
      /^(ModifyImageAttribute|ModifySnapshotAttribute|EnableImageDeprecation) |^CreateTags (us-east-1 #2|eu-west-1 #1)$/,
  },
})

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
  test('can be killed at every kind of request that the adapter changes something with', () => {
    const adapter = new URL('../../clouds/aws', import.meta.url).pathname
    const sources = readdirSync(adapter, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.startsWith('doctor'))
      .map((name) => readFileSync(join(adapter, name), 'utf8'))
    const made = sources.flatMap((source) =>
      [...source.matchAll(/new (\w+)Command\(/g)].map(([, action]) => action as string),
    )
    const killedAt = new Set(sweep.kills().map(({ point }) => point.split(' ')[0]))
    const missing = new Set(made.filter((action) => !isReading(action) && !killedAt.has(action)))
    expect([...missing].toSorted()).toEqual(Object.values(notOfSuchARelease).flat().toSorted())
  })

  test(
    'around every append and every request that changes something: one of everything, and nothing is left',
    sweep.killAround,
  )

  test('again when it has taken up the machine of a run that was killed: still that one', () =>
    sweep.killWhenTakenUp(['CreateTags us-east-1']))

  test('whose last request comes to AWS only when the next run is over: it makes nothing more', async () => {
    const points = sweep.whole.requests.filter((request) => /^(Run|Start|Register|Copy)/.test(request))
    expect(points).toHaveLength(6)
    await sweep.inEach(points, async (world, point) => {
      const after = `${point} comes late, ${world.directory}`
      const { effect, letHappen } = late()
      await world.killWhen(world.cloud.strike(point, effect))
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
    const requests = sweep.whole.requests.filter((request) => !betweenBlocks.test(request))
    await sweep.inEach(sweep.share(requests), async (world, request) => {
      await sweep.loseAnswer(world, request, world.cloud.strike(request, lostAnswer()))
    })
  })

  test('costs nothing more when the connection breaks under each kind of request, one after the other', async () => {
    await sweep.loseOneOfEach()
  })
})
