import { readFile } from 'node:fs/promises'
import {
  DescribeSubnetsCommand,
  EC2Client,
  paginateDescribeImages,
  paginateDescribeInstances,
  paginateDescribeNetworkInterfaces,
  paginateDescribeSnapshots,
  paginateDescribeVolumes,
} from '@aws-sdk/client-ec2'
import { expect } from 'vitest'
import { type Ec2Host, startEc2Host } from '#test/lab/ec2-host.ts'
import { type AwsFront, startAwsFront } from '#test/servers/aws-front/front.ts'
import { clientConfig, testKey } from '#test/servers/aws-test.ts'
import { startMoto } from '#test/servers/moto.ts'
import { baseImages } from '#test/servers/moto-tree.ts'
import type { LabFile } from './factory.ts'

export const awsArchitectures = ['x86_64', 'aarch64']
export const awsRegions = { main: 'us-east-1', copy: 'eu-west-1' } as const

/** AWS for a workspace: the emulator behind the strict front, and machines of the lab where EC2's would be. */
export interface AwsForWorkspace extends AsyncDisposable {
  readonly front: AwsFront
  readonly host: Ec2Host
  /** What the factory's processes need in their environment. */
  readonly env: Record<string, string>
  /** Rents x86_64 and aarch64 builders from AWS, publishes their images there too, into two regions. */
  configure(file: LabFile): void
}

export async function openAws(): Promise<AwsForWorkspace> {
  await using started = new AsyncDisposableStack()
  const moto = started.use(await startMoto())
  const front = started.use(await startAwsFront({ upstream: moto.endpoint }))
  const host = started.use(await startEc2Host(front))
  const subnets = await defaultSubnets(front)
  const held = started.move()
  return {
    front,
    host,
    env: {
      AWS_ACCESS_KEY_ID: testKey.accessKeyId,
      AWS_SECRET_ACCESS_KEY: testKey.secretAccessKey,
      AWS_EC2_METADATA_DISABLED: 'true',
      FACTORY_TEST_AWS_ADDRESSES: host.addressesFile,
    },
    configure(file) {
      file.clouds['aws'] = {
        kind: 'aws',
        region: awsRegions.main,
        copyTo: [awsRegions.copy],
        endpoint: front.endpoint,
        base: { x86_64: { ami: baseImages.x86_64.id }, aarch64: { ami: baseImages.aarch64.id } },
        // A list is for the main region: images are booted there and not in the other one.
        subnets,
        maxBuilders: 1,
        // What these cost does not matter here, only that it is counted.
        prices: {
          machineHour: { 'm7i.xlarge': 0.2, 'm7g.xlarge': 0.2 },
          volumeGibMonth: 0.08,
          snapshotGibMonth: 0.05,
        },
      }
      for (const arch of awsArchitectures) file.builders[arch] = ['aws']
      file.publish.push({ to: 'aws', arch: awsArchitectures, format: 'raw' })
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

async function defaultSubnets(front: AwsFront): Promise<string[]> {
  const ec2 = new EC2Client(clientConfig(front, awsRegions.main))
  const { Subnets = [] } = await ec2.send(new DescribeSubnetsCommand({}))
  return Subnets.flatMap(({ SubnetId }) => SubnetId ?? []).slice(0, 1)
}

/** What is in AWS is the AMIs of release.json, one snapshot each, and nothing else that was ever rented or made. */
export async function expectOnlyAmis(aws: AwsForWorkspace, amis: readonly string[]): Promise<void> {
  expect(aws.host.running()).toEqual([])
  const images: string[] = []
  for (const region of Object.values(awsRegions)) {
    const client = new EC2Client(clientConfig(aws.front, region))
    const snapshots: string[] = []
    for await (const page of paginateDescribeImages({ client }, { Owners: ['self'] }))
      for (const { ImageId = '', BlockDeviceMappings: disks = [] } of page.Images ?? []) {
        images.push(ImageId)
        snapshots.push(...disks.flatMap(({ Ebs }) => Ebs?.SnapshotId ?? []))
      }
    const left: unknown[] = []
    for await (const { Snapshots } of paginateDescribeSnapshots({ client }, { OwnerIds: ['self'] }))
      left.push(...(Snapshots ?? []).filter(({ SnapshotId = '' }) => !snapshots.includes(SnapshotId)))
    for await (const { Reservations = [] } of paginateDescribeInstances({ client }, {}))
      for (const { Instances = [] } of Reservations)
        left.push(...Instances.filter(({ State }) => State?.Name !== 'terminated'))
    for await (const { Volumes } of paginateDescribeVolumes({ client }, {})) left.push(...(Volumes ?? []))
    for await (const { NetworkInterfaces } of paginateDescribeNetworkInterfaces({ client }, {}))
      left.push(...(NetworkInterfaces ?? []))
    expect(left, region).toEqual([])
  }
  expect(images.toSorted()).toEqual([...amis].toSorted())
}

/** The architectures of all machines that were ever started from a base image, one word a machine. */
export async function buildersOf(aws: AwsForWorkspace): Promise<string[]> {
  const client = new EC2Client(clientConfig(aws.front, awsRegions.main))
  const found: string[] = []
  for await (const { Reservations = [] } of paginateDescribeInstances({ client }, {})) {
    for (const { ImageId } of Reservations.flatMap(({ Instances = [] }) => Instances)) {
      const arch = (['x86_64', 'aarch64'] as const).find((name) => baseImages[name].id === ImageId)
      if (arch !== undefined) found.push(arch)
    }
  }
  return found
}

/** AMI ids by architecture and region, as the release's file has them for whoever boots them. */
export async function amisOf(manifestFile: string): Promise<Record<string, Record<string, string>>> {
  const { architectures } = JSON.parse(await readFile(manifestFile, 'utf8')) as {
    architectures: Record<string, { images?: { aws?: { regions: Record<string, { image: string }> } } }>
  }
  const entries = Object.entries(architectures).flatMap(([arch, { images }]) => {
    const regions = Object.entries(images?.aws?.regions ?? {})
    return regions.length === 0
      ? []
      : [[arch, Object.fromEntries(regions.map(([region, { image }]) => [region, image]))] as const]
  })
  return Object.fromEntries(entries)
}
