import { randomBytes } from 'node:crypto'
import {
  EC2Client,
  RunInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { imageKey, testContext } from '#test/contract/cloud.ts'
import { type AwsFront, startAwsFront } from '#test/servers/aws-front/front.ts'
import { type Moto, startMoto } from '#test/servers/moto.ts'
import { type AwsImagesFixture, createAwsImagesFixture, mainRegion } from './aws-fixture.ts'

let moto: Moto
let front: AwsFront
let fixture: AwsImagesFixture
beforeAll(async () => {
  moto = await startMoto()
  front = await startAwsFront({ upstream: moto.endpoint })
  fixture = await createAwsImagesFixture(front.endpoint)
})
afterAll(async () => {
  await fixture[Symbol.asyncDispose]()
  await front[Symbol.asyncDispose]()
  await moto[Symbol.asyncDispose]()
})

test('an image is in use by the machines that were started from it, also stopped ones, until they are terminated', async () => {
  const cloud = await fixture.open()
  const publish = async (name: string) => {
    const artifact = await fixture.makeArtifact(`${name}.raw`, 1024 ** 2, [[0, randomBytes(512)]])
    return await cloud.images!.publish(
      artifact,
      imageKey(cloud, fixture.owner, artifact, name),
      testContext(),
    )
  }
  const image = await publish('used')
  const other = await publish('other')
  const inUse = async () => await cloud.images!.inUse!(image, testContext())
  const ec2 = new EC2Client({ endpoint: front.endpoint, region: mainRegion })
  const start = async (ImageId: string) => {
    const asked = { ImageId, InstanceType: 't3.small', MinCount: 1, MaxCount: 1 } as const
    return (await ec2.send(new RunInstancesCommand(asked))).Instances![0]!.InstanceId!
  }
  await start(other.id)
  expect(await inUse()).toBeUndefined()
  const first = await start(image.id)
  expect(await inUse()).toBe(`the machine ${first} was started from it`)
  await ec2.send(new StopInstancesCommand({ InstanceIds: [first] }))
  expect(await inUse()).toBe(`the machine ${first} was started from it`)

  const all = [first]
  while (all.length < 5) all.push(await start(image.id))
  const [a, b, c] = all.toSorted()
  expect(await inUse()).toBe(`the machines ${a}, ${b}, ${c} and 2 more were started from it`)
  await ec2.send(new TerminateInstancesCommand({ InstanceIds: all }))
  await expect.poll(inUse, { timeout: 60_000 }).toBeUndefined()
})
