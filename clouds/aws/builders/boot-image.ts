import type { Image as Ami } from '@aws-sdk/client-ec2'
import { architectures } from '#arch/index.ts'
import type { BuilderSpec } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { amiById } from '../images/amis.ts'
import { baseAmi } from './base-ami.ts'
import type { AwsSettings } from '../settings.ts'

/** What a machine starts from. */
export interface BootImage {
  id: string
  name: string
  rootDevice: string
  /** GiB that the root volume has at least. */
  rootSize: number
  user: string
}

/**
 * The published image that is to be verified, or the base image of builders. Throws, class user, when it is not there or
 * cannot be the root of such a machine; nothing is rented until then.
 */
export async function bootImage(
  settings: AwsSettings,
  spec: Pick<BuilderSpec, 'arch' | 'image'>,
  region: string,
  ctx: Context,
): Promise<BootImage> {
  const { arch, image } = spec
  const key = image ? `the image ${image.name}` : `clouds.${settings.name}.base.${arch}`
  const base = settings.configuration.base[arch as keyof AwsSettings['configuration']['base']]
  if (!image && !base) throw noBase(key, arch)
  const ami = image
    ? await amiById(settings.clients(region), image.id, ctx)
    : await baseAmi(settings, arch, base!, region, ctx)
  if (!ami) throw image ? lost(key, image.id, region) : missing(key, base?.ami ?? '', region)
  assertUsable(ami, key, arch, region)
  const { ImageId = '', Name = '', RootDeviceName = '', BlockDeviceMappings = [] } = ami
  const root = BlockDeviceMappings.find(({ DeviceName }) => DeviceName === RootDeviceName)
  const rootSize = root?.Ebs?.VolumeSize ?? 1
  return { id: ImageId, name: Name, rootDevice: RootDeviceName, rootSize, user: image ? 'root' : base!.user }
}

function assertUsable(ami: Ami, key: string, arch: BuilderSpec['arch'], region: string): void {
  const { ImageId, Architecture, State, RootDeviceType, OwnerId } = ami
  if (Architecture !== architectures[arch].ec2) {
    throw new FactoryError({
      code: 'aws-base-architecture',
      message: `${key} is ${ImageId} in ${region}, which is for ${Architecture} and not for ${arch}`,
      hint: `Name an AMI for ${architectures[arch].ec2 ?? arch}; the same account has: aws ec2 describe-images --region ${region} --owners ${OwnerId} --filters Name=architecture,Values=${architectures[arch].ec2 ?? arch} --query 'Images[].[ImageId,Name]' --output text`,
      class: 'user',
    })
  }
  if (State === 'available' && RootDeviceType === 'ebs') return
  const why = State === 'available' ? `its root is ${RootDeviceType} and not a volume` : `it is ${State}`
  throw new FactoryError({
    code: 'aws-base-unusable',
    message: `${key} is ${ImageId} in ${region}, and no machine can be started from it: ${why}`,
    hint: `Look at it: aws ec2 describe-images --region ${region} --image-ids ${ImageId}`,
    class: State === 'pending' ? 'infra' : 'user',
  })
}

function noBase(key: string, arch: string): FactoryError {
  return new FactoryError({
    code: 'base-not-configured',
    message: `${key} is not in the configuration, so this cloud rents no ${arch} machines`,
    hint: `Add ${key}.ami, .ssm, or .owner and .name; or name another cloud under builders.${arch}.`,
    class: 'user',
  })
}

function missing(key: string, id: string, region: string): FactoryError {
  return new FactoryError({
    code: 'aws-base-missing',
    message: `${key} is ${id}, and there is no such AMI in ${region} that this account may use`,
    hint: `Ids differ from region to region. Correct ${key}.ami, or let the newest one be looked for by \`owner\` and \`name\`. Whether it is there: aws ec2 describe-images --region ${region} --image-ids ${id}`,
    class: 'user',
  })
}

function lost(key: string, id: string, region: string): FactoryError {
  return new FactoryError({
    code: 'aws-base-missing',
    message: `${key} is ${id}, and there is no such AMI in ${region} any more`,
    hint: `Look whether somebody has removed it: aws ec2 describe-images --region ${region} --image-ids ${id}`,
    class: 'user',
  })
}
