import { randomBytes } from 'node:crypto'
import {
  DescribeImageAttributeCommand,
  DescribeImagesCommand,
  DisableImageDeprecationCommand,
  EC2Client,
  ModifyImageAttributeCommand,
} from '@aws-sdk/client-ec2'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { awsConfiguration } from '#clouds/aws/config.ts'
import { isDeprecatedAs } from '#clouds/aws/images/deprecation.ts'
import type { Image, ImageMark } from '#clouds/types.ts'
import { imageKey, testContext } from '#test/contract/cloud.ts'
import { refusedWith } from '#test/servers/aws-front/effects.ts'
import { type AwsFront, startAwsFront } from '#test/servers/aws-front/front.ts'
import { type Moto, startMoto } from '#test/servers/moto.ts'
import { type AwsImagesFixture, createAwsImagesFixture, mainRegion } from './aws-fixture.ts'

const MiB = 1024 ** 2
const day = 86_400_000
const account = '210987654321'
const shared = { accounts: [account], organizations: [], public: false }
const everybody = { accounts: [], organizations: [], public: true }

let moto: Moto
let front: AwsFront
let fixture: AwsImagesFixture
let ec2: EC2Client
beforeAll(async () => {
  moto = await startMoto()
  front = await startAwsFront({ upstream: moto.endpoint })
  fixture = await createAwsImagesFixture(front.endpoint)
  ec2 = new EC2Client({ endpoint: front.endpoint, region: mainRegion })
})
beforeEach(() => front.forgetRequests())
afterAll(async () => {
  await fixture[Symbol.asyncDispose]()
  await front[Symbol.asyncDispose]()
  await moto[Symbol.asyncDispose]()
})

/** A small image of its own and the store that published it. */
async function published(name: string, change: Parameters<AwsImagesFixture['open']>[0] = {}) {
  const cloud = await fixture.open(change)
  const artifact = await fixture.makeArtifact(`${name}.raw`, MiB, [[0, randomBytes(512)]])
  const image = await cloud.images!.publish(
    artifact,
    imageKey(cloud, fixture.owner, artifact, name),
    testContext(),
  )
  front.forgetRequests()
  const { mark, marked } = cloud.images!
  return {
    image,
    mark: (to: ImageMark) => mark!(image, to, testContext()),
    marked: () => marked!(image, testContext()),
  }
}

async function seen({ id }: Image) {
  const { Images = [] } = await ec2.send(new DescribeImagesCommand({ ImageIds: [id] }))
  const attribute = new DescribeImageAttributeCommand({ ImageId: id, Attribute: 'launchPermission' })
  const { LaunchPermissions = [] } = await ec2.send(attribute)
  const { DeprecationTime, Public, CreationDate = '', Tags = [] } = Images[0]!
  return {
    deprecatedInMs: DeprecationTime === undefined ? undefined : Date.parse(DeprecationTime) - Date.now(),
    livesMs:
      DeprecationTime === undefined ? undefined : Date.parse(DeprecationTime) - Date.parse(CreationDate),
    isPublic: Public === true,
    accounts: LaunchPermissions.flatMap(({ UserId }) => UserId ?? []),
    tag: Tags.find(({ Key }) => Key === 'factory:channel')?.Value,
  }
}

const isChange = ({ action }: { action: string }) => !action.startsWith('Describe')
const changes = () => front.requests.filter(isChange).map(({ action }) => action)

test('deprecates what is not to be used, clears it for what is, and gives a candidate the end of the configuration', async () => {
  const { image, mark } = await published('deprecated', { deprecateAfter: '90d' })
  await mark('promoted')
  expect(await seen(image)).toMatchObject({ deprecatedInMs: undefined, tag: 'promoted' })
  for (const not of ['superseded', 'incomplete', 'ignored'] as const) {
    await mark(not)
    const { deprecatedInMs, tag } = await seen(image)
    expect(deprecatedInMs).toBeLessThan(3 * 60_000)
    expect(tag).toBe(not)
  }
  await mark('candidate')
  expect(await seen(image)).toMatchObject({ livesMs: 90 * day, tag: 'candidate' })
  await mark('previous')
  expect(await seen(image)).toMatchObject({ deprecatedInMs: undefined, tag: 'previous' })
})

test('takes from an ignored image what the configuration shares, keeps it for a superseded one, and gives it back', async () => {
  const { image, mark, marked } = await published('shared', { share: shared })
  await ec2.send(
    new ModifyImageAttributeCommand({
      ImageId: image.id,
      LaunchPermission: { Add: [{ UserId: '111122223333' }] },
    }),
  )
  await mark('superseded')
  expect((await seen(image)).accounts).toContain(account)
  front.forgetRequests()
  await mark('ignored')
  expect((await seen(image)).accounts, 'by hand, so it stays').toEqual(['111122223333'])
  const snapshots = () => front.requests.filter(({ action }) => action === 'ModifySnapshotAttribute')
  expect(snapshots().map(({ parameters }) => parameters['CreateVolumePermission.Remove.1.UserId'])).toEqual([
    account,
  ])
  front.forgetRequests()
  await mark('promoted')
  expect((await seen(image)).accounts.toSorted()).toEqual(['111122223333', account])
  expect(snapshots().map(({ parameters }) => parameters['CreateVolumePermission.Add.1.UserId'])).toEqual([
    account,
  ])
  expect(await marked()).toBe('promoted')
})

test('an image that has its mark already is changed in nothing', async () => {
  const { mark } = await published('twice', { share: everybody })
  await mark('ignored')
  await mark('promoted')
  front.forgetRequests()
  await mark('promoted')
  expect(changes()).toEqual([])
})

test('somebody who clears a deprecation, or unshares what is promoted, is noticed, and the mark set again mends it', async () => {
  const { image, mark, marked } = await published('drift', { share: shared })
  await mark('superseded')
  await ec2.send(new DisableImageDeprecationCommand({ ImageId: image.id }))
  expect(await marked()).toBeUndefined()
  await mark('superseded')
  expect(await marked()).toBe('superseded')
  await mark('promoted')
  await ec2.send(
    new ModifyImageAttributeCommand({
      ImageId: image.id,
      LaunchPermission: { Remove: [{ UserId: account }] },
    }),
  )
  expect(await marked()).toBeUndefined()
  await mark('promoted')
  expect(await marked()).toBe('promoted')
  expect((await seen(image)).accounts).toEqual([account])
})

test('a public image is private only while its deprecation is cleared, and afterwards has the two years that AWS gives', async () => {
  const { image, mark, marked } = await published('public', { share: everybody, deprecateAfter: '30d' })
  await mark('promoted')
  expect(await seen(image)).toMatchObject({ isPublic: true, livesMs: 730 * day })
  await mark('superseded')
  expect(await seen(image)).toMatchObject({ isPublic: true, tag: 'superseded' })
  await mark('candidate')
  expect(await seen(image)).toMatchObject({ isPublic: true, livesMs: 30 * day })
  await mark('ignored')
  expect(await seen(image)).toMatchObject({ isPublic: false })
  await mark('previous')
  expect(await seen(image)).toMatchObject({ isPublic: true, livesMs: 730 * day })
  expect(await marked()).toBe('previous')
})

test.each<[ImageMark, ImageMark]>([
  ['promoted', 'ignored'],
  ['ignored', 'promoted'],
  ['superseded', 'candidate'],
])(
  'whatever request a mark is cut off at from %s to %s, it is not taken for set, and the next try sets it',
  async (from, to) => {
    const change = { share: { ...everybody, accounts: [account] }, deprecateAfter: '30d' }
    const { mark, marked } = await published(`cut-${from}`, change)
    await mark(from)
    front.forgetRequests()
    await mark(to)
    const requests = changes()
    expect(requests.length).toBeGreaterThan(2)
    for (const at of requests.keys()) {
      await mark(from)
      const cut = front.inject({
        service: 'ec2',
        when: isChange,
        after: at,
        effect: refusedWith({ code: 'UnauthorizedOperation', message: 'cut off', status: 403 }),
      })
      await expect(mark(to), requests[at]).rejects.toMatchObject({ code: 'aws-permission' })
      cut.remove()
      expect(await marked(), requests[at]).not.toBe(to)
      await mark(to)
      expect(await marked(), requests[at]).toBe(to)
    }
  },
)

test('what AWS deprecates by itself in a public image that is too old is no drift, and neither is what the configuration ends', () => {
  const now = Date.parse('2026-06-01T00:00:00Z')
  const ami = (ageDays: number, livesDays: number | undefined, isPublic = false) => ({
    CreationDate: new Date(now - ageDays * day).toISOString(),
    Public: isPublic,
    ...(livesDays === undefined
      ? {}
      : { DeprecationTime: new Date(now + (livesDays - ageDays) * day).toISOString() }),
  })
  const ends = (change: object) => awsConfiguration.parse({ kind: 'aws', region: mainRegion, ...change })
  const open = ends({ share: { public: true } })
  expect(isDeprecatedAs('promoted', ami(800, 730, true), open, now)).toBe(true)
  expect(isDeprecatedAs('promoted', ami(100, 90, true), open, now)).toBe(false)
  expect(isDeprecatedAs('promoted', ami(10, 90, false), ends({}), now)).toBe(false)
  expect(isDeprecatedAs('promoted', ami(100, 90, true), ends({}), now), 'made public by hand').toBe(true)
  expect(isDeprecatedAs('candidate', ami(100, 90), ends({ deprecateAfter: '90d' }), now)).toBe(true)
  expect(isDeprecatedAs('candidate', ami(10, 90), ends({ deprecateAfter: '90d' }), now)).toBe(true)
  expect(isDeprecatedAs('candidate', ami(10, 11), ends({ deprecateAfter: '90d' }), now)).toBe(false)
  expect(isDeprecatedAs('candidate', ami(10, 90), ends({}), now)).toBe(false)
  expect(isDeprecatedAs('ignored', ami(100, undefined), ends({}), now)).toBe(false)
  expect(isDeprecatedAs('ignored', ami(100, 200), ends({}), now)).toBe(false)
})
