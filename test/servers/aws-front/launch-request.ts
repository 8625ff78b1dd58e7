import { needImage } from './image-view.ts'
import { architectureOf } from './instance-types.ts'
import { below, groupsOf, listOf, need, tagSpecifications } from './query.ts'
import type { Parameters } from './query.ts'
import { Refusal } from './refusal.ts'
import type { World } from './world.ts'
import { items, text } from './xml.ts'
import type { Node } from './xml.ts'

/** A RunInstances that EC2 would take, as far as the front knows. */
export interface LaunchRequest {
  readonly imageId: string
  readonly rootDeviceName: string
  readonly architecture: string
  readonly instanceType: string
  readonly subnetId: string
  readonly zone: string
  readonly market: 'spot' | 'on-demand'
  readonly tags: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly metadataOptions: Node
  readonly rootBytes: number
  readonly userData: Buffer
  /** Everything that moto takes, in the form that it understands. */
  readonly forMoto: Parameters
}

const taggable = ['instance', 'volume', 'network-interface', 'spot-instances-request']
const userDataLimitBytes = 16_384

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html */
export async function readLaunch(
  parameters: Parameters,
  world: World,
  region: string,
): Promise<LaunchRequest> {
  const imageId = need(parameters, 'ImageId')
  for (const count of ['MinCount', 'MaxCount']) if (need(parameters, count) !== '1') throw onlyOne(count)
  const instanceType = parameters['InstanceType'] ?? 'm1.small'
  const image = await needImage(world, region, imageId)
  needState(image)
  const architecture = text(image, 'architecture') ?? ''
  needSameArchitecture(architectureOf(instanceType), architecture)
  const userData = readUserData(parameters['UserData'])
  const tags = tagSpecifications(parameters)
  for (const type of Object.keys(tags)) if (!taggable.includes(type)) throw notTaggable(type)
  const networkInterface = interfaceOf(parameters)
  const subnet = await needSubnet(world, region, networkInterface['SubnetId'])
  for (const id of listOf(networkInterface, 'SecurityGroupId')) await needGroup(world, region, id)
  const rootDeviceName = text(image, 'rootDeviceName') ?? '/dev/sda1'
  const disks = volumes(parameters, image, rootDeviceName)
  return {
    imageId,
    rootDeviceName,
    architecture,
    instanceType,
    subnetId: text(subnet, 'subnetId') ?? '',
    zone: text(subnet, 'availabilityZone') ?? '',
    market: parameters['InstanceMarketOptions.MarketType'] === 'spot' ? 'spot' : 'on-demand',
    tags,
    metadataOptions: metadata(below(parameters, 'MetadataOptions')),
    rootBytes: Number(disks['BlockDeviceMapping.1.Ebs.VolumeSize']) * 1024 ** 3,
    userData,
    forMoto: {
      ...withoutGroups(parameters),
      ...numbered('NetworkInterface.1', { ...networkInterface, SubnetId: text(subnet, 'subnetId') ?? '' }),
      ...disks,
    },
  }
}

/** What a machine has one interface for is said at the interface or at the machine, never at both. */
function interfaceOf(parameters: Parameters): Parameters {
  const [given, second] = groupsOf(parameters, 'NetworkInterface')
  const atMachine = Object.keys(parameters).filter((key) => /^(SubnetId|SecurityGroupId\.\d+)$/.test(key))
  if (given && atMachine.length > 0)
    throw new Refusal({
      code: 'InvalidParameterCombination',
      message:
        'Network interfaces and an instance-level subnet ID or security groups may not be specified on the same request',
    })
  if (second) throw new Error('this front gives a machine one network interface')
  const own = Object.fromEntries(atMachine.map((key) => [key, parameters[key] ?? '']))
  // EC2 deletes an interface that it made; moto keeps it unless it is told.
  return { DeviceIndex: '0', DeleteOnTermination: 'true', ...(given ?? own) }
}

/** The image's own disk first; a disk that is larger or of another type keeps its name. */
function volumes(parameters: Parameters, image: Node, rootDeviceName: string): Parameters {
  const [root] = items(image['blockDeviceMapping'])
  const least = text(root, 'ebs.volumeSize') ?? '8'
  const asked = groupsOf(parameters, 'BlockDeviceMapping')
  const ofRoot = asked.find((each) => each['DeviceName'] === rootDeviceName) ?? {}
  const size = ofRoot['Ebs.VolumeSize'] ?? least
  if (Number(size) < Number(least))
    throw new Refusal({
      code: 'InvalidBlockDeviceMapping',
      message: `Volume of size ${size}GB is smaller than snapshot '${text(root, 'ebs.snapshotId')}', expect size >= ${least}GB`,
    })
  const all = [
    {
      'Ebs.DeleteOnTermination': text(root, 'ebs.deleteOnTermination') ?? 'true',
      ...ofRoot,
      DeviceName: rootDeviceName,
      'Ebs.VolumeSize': size,
    },
    ...asked.filter((each) => each !== ofRoot),
  ]
  const known = /^(DeviceName|Ebs\.(VolumeSize|VolumeType|SnapshotId|DeleteOnTermination|Encrypted))$/
  const kept = all.map((each) => Object.fromEntries(Object.entries(each).filter(([key]) => known.test(key))))
  return Object.assign({}, ...kept.map((each, index) => numbered(`BlockDeviceMapping.${index + 1}`, each)))
}

function numbered(prefix: string, parameters: Parameters): Parameters {
  return Object.fromEntries(Object.entries(parameters).map(([key, value]) => [`${prefix}.${key}`, value]))
}

function withoutGroups(parameters: Parameters): Parameters {
  const ours = /^(ClientToken|DryRun|SubnetId|SecurityGroupId\.|NetworkInterface\.|BlockDeviceMapping\.)/
  return Object.fromEntries(Object.entries(parameters).filter(([key]) => !ours.test(key)))
}

async function needSubnet(world: World, region: string, id: string | undefined): Promise<Node> {
  const asked: Parameters =
    id === undefined
      ? { 'Filter.1.Name': 'default-for-az', 'Filter.1.Value.1': 'true' }
      : { 'SubnetId.1': id }
  const answer = await world.upstream.ec2(region, 'DescribeSubnets', asked)
  const [subnet] = items(answer['subnetSet'])
  if (!subnet)
    throw new Refusal({
      code: 'InvalidSubnetID.NotFound',
      message: `The subnet ID '${id}' does not exist`,
    })
  return subnet
}

async function needGroup(world: World, region: string, id: string): Promise<void> {
  await world.upstream.ec2(region, 'DescribeSecurityGroups', { 'GroupId.1': id }).catch(() => {
    throw new Refusal({ code: 'InvalidGroup.NotFound', message: `The security group '${id}' does not exist` })
  })
}

function needState(image: Node): void {
  if (text(image, 'imageState') === 'available') return
  throw new Refusal({
    code: 'InvalidAMIID.Unavailable',
    message: `The image ID '${text(image, 'imageId')}' is not available`,
  })
}

function needSameArchitecture(ofType: string, ofImage: string): void {
  if (ofType === ofImage) return
  throw new Refusal({
    code: 'InvalidParameterValue',
    message: `The architecture '${ofType}' of the specified instance type does not match the architecture '${ofImage}' of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again.`,
  })
}

function readUserData(said = ''): Buffer {
  const bytes = Buffer.from(said, 'base64')
  if (bytes.toString('base64') !== said)
    throw new Refusal({ code: 'InvalidUserData.Malformed', message: 'Invalid BASE64 encoding of user data.' })
  if (bytes.length > userDataLimitBytes)
    throw new Refusal({
      code: 'InvalidParameterValue',
      message: `User data is limited to ${userDataLimitBytes} bytes`,
    })
  return bytes
}

function metadata(options: Parameters): Node {
  return {
    state: 'applied',
    httpTokens: options['HttpTokens'] ?? 'optional',
    httpPutResponseHopLimit: options['HttpPutResponseHopLimit'] ?? '1',
    httpEndpoint: options['HttpEndpoint'] ?? 'enabled',
    instanceMetadataTags: options['InstanceMetadataTags'] ?? 'disabled',
  }
}

function onlyOne(count: string): Error {
  return new Error(`this front runs one machine a request; ${count} is another number`)
}

function notTaggable(type: string): Refusal {
  return new Refusal({
    code: 'InvalidParameterValue',
    message: `'${type}' is not a valid taggable resource type for this operation.`,
  })
}
