import type { ResourceType, RunInstancesCommandInput } from '@aws-sdk/client-ec2'
import type { BuilderSpec, Lease } from '#clouds/types.ts'
import { noCloudSeed } from '#src/builder/seed.ts'
import { FactoryError } from '#src/errors.ts'
import type { Attempt } from './attempts.ts'
import type { FrozenRequest } from './lease-record.ts'
import { leaseMarks, tagsOf } from '../tags.ts'

/** https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html: before it is encoded. */
const mostUserDataBytes = 16 * 1024

/** The request for one machine. Same lease, same attempt, same keys: the same request to the byte. */
export async function runRequest(
  request: FrozenRequest,
  attempt: Attempt,
  token: string,
  spec: BuilderSpec,
  lease: Lease,
): Promise<RunInstancesCommandInput> {
  const UserData = await userData(request, spec, lease)
  return { ClientToken: token, ...machineRequest(request, attempt, lease), UserData }
}

/**
 * What a machine is: everything that comes with it bears its marks from the beginning and goes when it goes,
 * its power-off ends it, it has no rights of its own, and what runs in containers there does not get to its metadata.
 */
export function machineRequest(
  request: FrozenRequest,
  attempt: Attempt,
  lease: Lease,
): RunInstancesCommandInput {
  const { imageId, rootDevice, rootSize, securityGroups, address } = request
  const { instanceType, subnet, spot } = attempt
  const tags = tagsOf(leaseMarks(lease), machineName(lease), request.tags)
  const tagged: ResourceType[] = ['instance', 'volume', 'network-interface']
  if (spot) tagged.push('spot-instances-request')
  return {
    ImageId: imageId,
    InstanceType: instanceType as RunInstancesCommandInput['InstanceType'],
    MinCount: 1,
    MaxCount: 1,
    InstanceInitiatedShutdownBehavior: 'terminate',
    MetadataOptions: { HttpTokens: 'required', HttpPutResponseHopLimit: 1, HttpEndpoint: 'enabled' },
    BlockDeviceMappings: [
      {
        DeviceName: rootDevice,
        Ebs: { VolumeType: 'gp3', VolumeSize: rootSize, DeleteOnTermination: true },
      },
    ],
    NetworkInterfaces: [
      {
        DeviceIndex: 0,
        DeleteOnTermination: true,
        ...(subnet === undefined ? {} : { SubnetId: subnet }),
        ...(securityGroups.length === 0 ? {} : { Groups: securityGroups }),
        // In the other case the subnet decides: without a public address some machines get no packages from outside.
        ...(address === 'public' ? { AssociatePublicIpAddress: true } : {}),
      },
    ],
    ...(spot
      ? {
          InstanceMarketOptions: {
            MarketType: 'spot',
            SpotOptions: { SpotInstanceType: 'one-time', InstanceInterruptionBehavior: 'terminate' },
          },
        }
      : {}),
    TagSpecifications: tagged.map((ResourceType) => ({ ResourceType, Tags: tags })),
  }
}

/** What people see in the console. */
export function machineName({ id }: Pick<Lease, 'id'>): string {
  return `factory-${id}`
}

async function userData({ user }: FrozenRequest, spec: BuilderSpec, lease: Lease): Promise<string> {
  const { access, leaseMs } = spec
  const seed = await noCloudSeed({ access, user, leaseMs, instanceId: machineName(lease) })
  const bytes = Buffer.from(seed.userData)
  if (bytes.length <= mostUserDataBytes) return bytes.toString('base64')
  throw new FactoryError({
    code: 'aws-user-data-too-large',
    message: `the first-boot configuration of ${lease.id} has ${bytes.length} bytes, and EC2 takes ${mostUserDataBytes}`,
    hint: 'This is a defect of the factory: please report it.',
    class: 'bug',
  })
}
