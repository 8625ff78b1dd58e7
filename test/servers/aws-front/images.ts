import type { Call, Operation } from './call.ts'
import { endOfDryRun } from './dry-run.ts'
import { needFreeName, withName } from './image-names.ts'
import { createTagsParameters, groupsOf, need, tagSpecifications } from './query.ts'
import type { Parameters } from './query.ts'
import { Refusal } from './refusal.ts'
import { needSnapshot } from './snapshots.ts'
import { born } from './world.ts'
import type { World } from './world.ts'
import { ec2Answer, text } from './xml.ts'
import type { Node } from './xml.ts'

/** An image that was registered or copied through the front; moto keeps its name, its description and its tags. */
export interface ImageRecord {
  readonly id: string
  readonly region: string
  readonly name: string
  /** What DescribeImages shows of it, as its elements are named. */
  readonly shown: Node
  readonly snapshotIds: readonly string[]
  state: 'pending' | 'available' | 'failed'
  pollsLeft: number
  /** What a pending one becomes. */
  outcome: 'available' | 'failed'
  /** RFC 3339, once EnableImageDeprecation was called. */
  deprecationTime?: string
}

const architectures = ['i386', 'x86_64', 'arm64', 'x86_64_mac', 'arm64_mac']
const bootModes = ['legacy-bios', 'uefi', 'uefi-preferred']
/** moto takes any image; EC2 wants a completed snapshot, a free name and parts that fit each other. */
export const registerImage: Operation = async (call, world) => {
  const { parameters, region } = call
  const name = need(parameters, 'Name')
  const tags = imageTags(parameters)
  const shown = { ...attributes(parameters), ...(await rootDevice(parameters, world, region)) }
  needFreeName(world, region, name)
  endOfDryRun(call)
  const id = await withName(world, region, name, async () =>
    text(await world.upstream.ec2(region, 'RegisterImage', { Name: name }), 'imageId'),
  )
  const snapshotIds = groupsOf(parameters, 'BlockDeviceMapping').flatMap(
    (each) => each['Ebs.SnapshotId'] ?? [],
  )
  await keep(world, { id, region, name, shown, snapshotIds }, tags)
  return ec2Answer('RegisterImage', { imageId: id })
}

type NewImage = Omit<ImageRecord, 'state' | 'pollsLeft' | 'outcome'>

/** Remembers an image that moto has just made, with its tags; it is pending for a while. */
export async function keep(
  world: World,
  image: NewImage,
  tags: Readonly<Record<string, string>>,
): Promise<ImageRecord> {
  const pollsLeft = world.settings.polls.image
  const state = pollsLeft > 0 ? 'pending' : 'available'
  const record: ImageRecord = { ...image, state, outcome: 'available', pollsLeft }
  world.images.set(image.id, record)
  born(world, 'image', image.id)
  if (Object.keys(tags).length > 0)
    await world.upstream.ec2(image.region, 'CreateTags', createTagsParameters([image.id], tags))
  return record
}

function imageTags(parameters: Call['parameters']): Record<string, string> {
  const { image = {}, ...others } = tagSpecifications(parameters)
  const [other] = Object.keys(others)
  if (other !== undefined)
    throw new Refusal({
      code: 'InvalidParameterValue',
      message: `'${other}' is not a valid taggable resource type for this operation.`,
    })
  return image
}

/** EC2's own defaults are those of 2008: i386 and paravirtual. */
function attributes(parameters: Parameters): Node {
  const architecture = oneOf(parameters, 'Architecture', architectures) ?? 'i386'
  const virtualizationType = oneOf(parameters, 'VirtualizationType', ['hvm', 'paravirtual']) ?? 'paravirtual'
  const bootMode = oneOf(parameters, 'BootMode', bootModes)
  const isEna = parameters['EnaSupport'] === 'true'
  if (isEna && virtualizationType !== 'hvm') throw cannot('EnaSupport needs the virtualization type hvm')
  if (architecture === 'arm64' && (bootMode === 'legacy-bios' || virtualizationType !== 'hvm'))
    throw cannot('an arm64 image boots by UEFI and is hvm')
  const others = {
    bootMode,
    imdsSupport: oneOf(parameters, 'ImdsSupport', ['v2.0']),
    sriovNetSupport: oneOf(parameters, 'SriovNetSupport', ['simple']),
    tpmSupport: oneOf(parameters, 'TpmSupport', ['v2.0']),
    description: parameters['Description'],
  }
  return { architecture, virtualizationType, enaSupport: String(isEna), ...given(others) }
}

async function rootDevice(parameters: Parameters, world: World, region: string): Promise<Node> {
  const rootDeviceName = need(parameters, 'RootDeviceName')
  const mappings = groupsOf(parameters, 'BlockDeviceMapping')
  if (!mappings.some((each) => each['DeviceName'] === rootDeviceName && each['Ebs.SnapshotId'] !== undefined))
    throw badMapping(`the root device ${rootDeviceName} has no mapping with a snapshot`)
  const item: Node[] = []
  for (const mapping of mappings) item.push(await shownMapping(mapping, world, region))
  return { rootDeviceName, rootDeviceType: 'ebs', blockDeviceMapping: { item } }
}

async function shownMapping(mapping: Parameters, world: World, region: string): Promise<Node> {
  const snapshotId = mapping['Ebs.SnapshotId']
  if (snapshotId === undefined) throw badMapping(`${mapping['DeviceName']} has no snapshot`)
  const snapshot = await needSnapshot(world, region, snapshotId)
  if (text(snapshot, 'status') !== 'completed')
    throw new Refusal({ code: 'IncorrectState', message: `Snapshot '${snapshotId}' is not 'completed'.` })
  const least = text(snapshot, 'volumeSize') ?? '1'
  const volumeSize = mapping['Ebs.VolumeSize'] ?? least
  if (Number(volumeSize) < Number(least))
    throw badMapping(
      `Volume of size ${volumeSize}GB is smaller than snapshot '${snapshotId}', expect size >= ${least}GB`,
    )
  const ebs = given({
    snapshotId,
    volumeSize,
    volumeType: mapping['Ebs.VolumeType'] ?? 'standard',
    deleteOnTermination: mapping['Ebs.DeleteOnTermination'] ?? 'true',
    iops: mapping['Ebs.Iops'],
    throughput: mapping['Ebs.Throughput'],
    encrypted: 'false',
  })
  return { deviceName: mapping['DeviceName'], ebs }
}

function oneOf(parameters: Parameters, name: string, allowed: readonly string[]): string | undefined {
  const value = parameters[name]
  if (value === undefined || allowed.includes(value)) return value
  throw new Refusal({
    code: 'InvalidParameterValue',
    message: `Value ( ${value} ) for parameter ${name} is invalid.`,
  })
}

function given(fields: Readonly<Record<string, string | undefined>>): Node {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

function cannot(message: string): Refusal {
  return new Refusal({ code: 'InvalidParameterCombination', message })
}

function badMapping(message: string): Refusal {
  return new Refusal({ code: 'InvalidBlockDeviceMapping', message })
}
