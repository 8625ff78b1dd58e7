import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type IbmForTests, startIbm } from '#test/clouds/ibm-fixture.ts'
import { operations } from '#test/servers/ibm-cloud/serve.ts'
import { isLong } from './cloud-points.ts'
import { cloudSweep } from './cloud-sweep.ts'
import { expectOneOfEveryMachine, stateIn } from './cloud-world.ts'
import { type CloudWorld, cloudWorlds } from './cloud-worlds.ts'
import { type IbmCloud, changesNothing, ibmCloud } from './ibm-cloud.ts'

/*
 * The engine and the adapter for IBM Cloud together, as aws-sweep.test.ts has it for AWS: over the strict double of VPC, IAM
 * and tagging, with moto behind the front as object storage. An ordinary run boots the image of the main region alone: a
 * machine that boots it in the other one makes the same requests there. VPC knows no token but the name, so a machine that
 * is asked for by a request which comes only when its lease is long over is there, for reapers to find; that is not swept.
 */
const started = new AsyncDisposableStack()
afterAll(() => started.disposeAsync())

const sweep = cloudSweep({
  async openWorlds() {
    const polls = { image: 0, instance: 0, address: 0, deletion: 0 }
    const places: IbmForTests[] = []
    // One after the other: the first makes a tree that both use.
    for (const _lane of [1, 2])
      places.push(started.use(await startIbm({ polls, tagLag: { attach: 0, read: 0 }, pageSize: 100 })))
    return cloudWorlds(places, ibmCloud)
  },
  expectOneOfEverything: expectOneOfEverythingOnIbm,
  spared: {
    // Marks follow what they stand on, parts their upload, and the address goes when its machine has gone.
    inARow: /^(AttachTag|DeleteTag|UploadPart|CompleteMultipartUpload|DeleteFloatingIp) /,
    // Of the three that the first lease leaves in the account's list.
    between: /^DeleteTag global #3$/,
  },
  // How many names of tags the other leases leave there depends on which of them ends first.
  uncertain: /^DeleteTag global #([5-9]|\d\d)$/,
})

/** Requests that the double knows and that such a release does not make. */
const notOfSuchARelease = {
  'only for what failed or was left over': ['AbortMultipartUpload', 'DeleteImage'],
  'only for volumes that did not go with their machine': ['DeleteVolume'],
  'for what people chose afterwards, which test/clouds/ibm-marks.test.ts cuts off': [
    'DeprecateImage',
    'UpdateImage',
  ],
  'only for an address that somebody took from its machine': ['UpdateFloatingIp'],
}

describe('an orchestrator on IBM Cloud that is killed and run again', () => {
  test('can be killed at every kind of request that the adapter changes something with', () => {
    const adapter = new URL('../../clouds/ibm/images', import.meta.url).pathname
    const ofBucket = readdirSync(adapter)
      .map((name) => readFileSync(join(adapter, name), 'utf8'))
      .flatMap((source) => [...source.matchAll(/new (\w+)Command\(/g)].map(([, action]) => action as string))
    // The double refuses what it does not know, so the adapter makes no others.
    const known = Object.values(operations).flatMap((each) => each.map(({ action }) => action))
    const killedAt = new Set(sweep.kills().map(({ point }) => point.split(' ')[0]))
    const missing = new Set(
      [...known, ...ofBucket].filter((action) => !changesNothing(action) && !killedAt.has(action)),
    )
    expect([...missing].toSorted()).toEqual(Object.values(notOfSuchARelease).flat().toSorted())
  })

  test(
    'around every append and every request that changes something: one of everything, and nothing is left',
    sweep.killAround,
  )

  test('again when it has taken up the machine of a run that was killed: still that one', () =>
    sweep.killWhenTakenUp(['AttachTag global', 'DeleteTag global']))
})

describe('an answer of IBM Cloud that is lost after the request had its effect', () => {
  test('costs no second machine and no second image, whichever it was', async () => {
    await sweep.inEach(isLong ? sweep.whole.requests : [], sweep.loseAnswer)
    await sweep.loseOneOfEach()
  })
})

/** One of everything, and in each region one image, which VPC has read as the disk. */
async function expectOneOfEverythingOnIbm(world: CloudWorld<IbmCloud>, after: string): Promise<void> {
  await expectOneOfEveryMachine(world, after)
  const { directory, cloud } = world
  const { releases, collected } = stateIn(directory)
  const [artifact] = [...collected.values()].flatMap(({ artifacts }) => artifacts)
  const known = releases[0]?.images.map(({ image }) => image) ?? []
  expect(cloud.images().toSorted(byRegion), after).toMatchObject(
    known.toSorted(byRegion).map(({ id, region }) => ({
      id,
      region,
      status: 'available',
      sha256: artifact?.sha256,
      deprecation_at: expect.any(String),
    })),
  )
  expect(known.map(({ region }) => region).toSorted(), after).toEqual(
    [...cloud.regions, ...(cloud.unverified ?? [])].toSorted(),
  )
}

function byRegion(one: { region: string }, other: { region: string }): number {
  return one.region.localeCompare(other.region)
}
