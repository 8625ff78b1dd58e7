import { EBSClient, GetSnapshotBlockCommand, ListSnapshotBlocksCommand } from '@aws-sdk/client-ebs'
import {
  DescribeImagesCommand,
  DescribeInstancesCommand,
  EC2Client,
  type Instance,
} from '@aws-sdk/client-ec2'
import { awsConfiguration } from '#clouds/aws/config.ts'
import { createAwsCloud } from '#clouds/aws/index.ts'
import type { BuilderRef } from '#src/builder/types.ts'
import { baseImages } from '#test/servers/moto-tree.ts'
import { diskOf, identityIn } from './aws-disk.ts'
import type { Ledger } from './ledger.ts'
import type { AwsAccount } from './run.ts'
import type { Props, Scene } from './scene.ts'
import { openScriptedBuilder, scriptedDisk } from './scripted-builder.ts'

export const regions = ['us-east-1', 'eu-west-1'] as const

/** Machines and images are the real adapter's; only what happens on a machine is scripted, and its disk stands in the ledger. */
export async function awsScene(
  { options, ledger, points }: Props,
  { endpoint, owner }: AwsAccount,
): Promise<Scene> {
  const [region, ...copyTo] = regions
  const configuration = awsConfiguration.parse({
    kind: 'aws',
    region,
    copyTo,
    endpoint,
    base: { x86_64: { ami: baseImages.x86_64.id }, aarch64: { ami: baseImages.aarch64.id } },
    instanceTypes: { x86_64: ['m5.large'], aarch64: ['m6g.large'] },
    share: { accounts: ['210987654321'] },
    deprecateAfter: '90d',
    maxBuilders: options.maxBuilders,
  })
  const stateDirectory = `${options.directory}/state`
  return {
    clouds: new Map([['lab', await createAwsCloud('lab', configuration, { owner, stateDirectory })]]),
    disk: scriptedDisk(diskOf('').length),
    async openBuilder(ref) {
      await boot(endpoint, ref, ledger)
      return openScriptedBuilder(ref, ledger, points, diskOf)
    },
  }
}

/** A machine answers only when EC2 says that it runs, and says of itself what stands at the beginning of its image's snapshot. */
async function boot(endpoint: string, ref: BuilderRef, ledger: Ledger): Promise<void> {
  const found = await Promise.all(regions.map((region) => machineIn(endpoint, region, ref.machine)))
  const machine = found.find((one) => one !== undefined)
  if (machine?.State?.Name !== 'running') throw new Error(`${ref.machine} does not answer`)
  if (ledger.standing(ref.leaseId)) return
  const at = Date.now()
  const region = regions[found.indexOf(machine)]!
  const identity = await identityOnDisk(endpoint, region, machine.ImageId!)
  const { arch, leaseId: lease } = ref
  ledger.rent({ lease, cloud: 'lab', arch, purpose: 'any', rentedAt: at, endsAt: at }, identity)
}

async function machineIn(endpoint: string, region: string, id: string): Promise<Instance | undefined> {
  const ec2 = new EC2Client({ endpoint, region })
  const Filters = [{ Name: 'instance-id', Values: [id] }]
  const { Reservations = [] } = await ec2.send(new DescribeInstancesCommand({ Filters }))
  return Reservations.flatMap(({ Instances = [] }) => Instances)[0]
}

/** Empty for the base image, which says nothing. */
async function identityOnDisk(endpoint: string, region: string, imageId: string): Promise<string> {
  if (imageId === baseImages.x86_64.id || imageId === baseImages.aarch64.id) return ''
  const ec2 = new EC2Client({ endpoint, region })
  const { Images } = await ec2.send(new DescribeImagesCommand({ ImageIds: [imageId] }))
  const SnapshotId = Images?.[0]?.BlockDeviceMappings?.[0]?.Ebs?.SnapshotId
  const ebs = new EBSClient({ endpoint, region })
  const { Blocks } = await ebs.send(new ListSnapshotBlocksCommand({ SnapshotId }))
  const { BlockIndex, BlockToken } = Blocks![0]!
  const first = await ebs.send(new GetSnapshotBlockCommand({ SnapshotId, BlockIndex, BlockToken }))
  return identityIn(await first.BlockData!.transformToByteArray())
}
