import { type Image as Ami, RegisterImageCommand, type RegisterImageRequest } from '@aws-sdk/client-ec2'
import { architectures } from '#arch/index.ts'
import type { ImageKey } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError, asFactoryError } from '#src/errors.ts'
import { amiById, amiNamed } from './amis.ts'
import { answered } from '../answer.ts'
import { call } from '../call.ts'
import type { RegionClients } from '../clients.ts'
import { awsErrorName } from '../failures.ts'
import { amiName, imageMarks } from './image-marks.ts'
import type { AwsSettings } from '../settings.ts'
import { marksOf, tagsOf } from '../tags.ts'
import { until } from '../wait.ts'

const availableLimitMs = 60 * 60_000
/** An image that was just made may be unknown for a while. */
const visibleLimitMs = 5 * 60_000
const namesakeLimitMs = 60_000

/**
 * Makes an AMI of a completed snapshot and returns its id. There is no token for this call; the name is it: it holds the
 * content's digest and is unique in the region, so a namesake with our marks is what a lost answer made.
 */
export async function registerImage(
  settings: AwsSettings,
  artifact: Artifact,
  key: ImageKey,
  snapshotId: string,
  ctx: Context,
): Promise<string> {
  const clients = settings.clients(key.region)
  const name = amiName(key)
  const request = registration(settings, artifact, key, snapshotId)
  const what = `registering ${name}`
  try {
    const { ImageId } = await call(what, key.region, ctx, (options) =>
      clients.ec2.send(new RegisterImageCommand(request), options),
    )
    return answered(ImageId, what, key.region)
  } catch (error) {
    if (awsErrorName(error) !== 'InvalidAMIName.Duplicate') throw error
    return ownNamesake(await namesakeInTime(clients, name, ctx), key)
  }
}

/** Names are unique in an account, so whoever has ours is seen sooner or later. */
async function namesakeInTime(clients: RegionClients, name: string, ctx: Context): Promise<Ami | undefined> {
  const look = () => amiNamed(clients, name, ctx)
  return await until(name, namesakeLimitMs, ctx, look).catch((error: unknown) => {
    if (asFactoryError(error).code !== 'aws-too-slow') throw error
    return undefined
  })
}

/** The id of an AMI of our name, when it is ours and of this content. */
export function ownNamesake(namesake: Ami | undefined, key: ImageKey): string {
  const { owner, sha256 } = marksOf(namesake?.Tags)
  if (namesake?.ImageId && owner === key.owner && sha256 === key.sha256) return namesake.ImageId
  throw new FactoryError({
    code: 'image-name-taken',
    message: `an image called ${amiName(key)} is in ${key.region} already (${namesake?.ImageId ?? 'not ours to see'}), and it is not of this factory or of other content`,
    hint: `Look at it (aws ec2 describe-images --region ${key.region} --image-ids ${namesake?.ImageId ?? 'ID'}), deregister it or change image.name.`,
    class: 'user',
  })
}

/** Waits until an image can be used; one that failed says why. */
export async function waitUntilAvailable(clients: RegionClients, id: string, ctx: Context): Promise<void> {
  ctx.emit({ message: `waiting for ${id} to become available in ${clients.region}` })
  const startedAt = ctx.now()
  await until(id, availableLimitMs, ctx, async () => {
    const ami = await amiById(clients, id, ctx)
    if (ami?.State === 'available') return true
    const waiting = ami ? ami.State === 'pending' : ctx.now() - startedAt < visibleLimitMs
    if (waiting) return undefined
    throw new FactoryError({
      code: 'aws-image-failed',
      message: `the image ${id} in ${clients.region} is ${ami?.State ?? 'gone'}: ${ami?.StateReason?.Message ?? 'AWS says no more'}`,
      hint: 'Run the same command again: it is made once more.',
      class: 'infra',
    })
  })
}

/** What says otherwise would be i386 and paravirtual: the defaults are from 2008. */
function registration(
  { configuration }: AwsSettings,
  artifact: Artifact,
  key: ImageKey,
  snapshotId: string,
): RegisterImageRequest {
  const { ec2 } = architectures[key.arch]
  const name = amiName(key)
  return {
    Name: name,
    Description: `${key.origin.imageName} of the release ${key.release}`,
    Architecture: ec2!,
    VirtualizationType: 'hvm',
    // bootc images for x86_64 boot either way; for aarch64 there is only UEFI.
    BootMode: key.arch === 'x86_64' ? 'uefi-preferred' : 'uefi',
    EnaSupport: true,
    SriovNetSupport: 'simple',
    ImdsSupport: 'v2.0',
    RootDeviceName: configuration.rootDevice,
    BlockDeviceMappings: [
      {
        DeviceName: configuration.rootDevice,
        Ebs: { SnapshotId: snapshotId, VolumeType: 'gp3', DeleteOnTermination: true },
      },
    ],
    TagSpecifications: [
      { ResourceType: 'image', Tags: tagsOf(imageMarks(key, artifact), name, configuration.tags) },
    ],
  }
}
