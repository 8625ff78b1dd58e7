import type { BuilderSpec } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import type { IbmArchitecture } from '../config.ts'
import { ibmArchitecture } from '../images/image-marks.ts'
import { type VpcImage, imageById, imageNamed } from '../images/vpc-images.ts'
import type { IbmSettings } from '../settings.ts'

/** What a machine starts from. */
export interface BootImage {
  readonly id: string
  readonly name: string
  /** GB that the boot volume has at least. */
  readonly bootGb: number
  readonly user: string
}

/** VPC makes no boot volume smaller than this. */
const leastBootGb = 10

/**
 * The published image that is to be verified, or the base image of builders. Throws, class user, when it is not there or
 * cannot be the root of such a machine; nothing is rented until then.
 */
export async function bootImage(
  settings: IbmSettings,
  spec: Pick<BuilderSpec, 'arch' | 'image'>,
  region: string,
  ctx: Pick<Context, 'signal'>,
): Promise<BootImage> {
  const { arch, image } = spec
  const key = image ? `the image ${image.name}` : `clouds.${settings.name}.base.${arch}`
  const base = settings.configuration.base[arch as IbmArchitecture]
  if (!image && !base) throw noBase(key, arch)
  const wanted = image ? image.id : base!.image
  const found = await look(settings, region, wanted, ctx)
  if (!found) throw missing(key, wanted, region)
  assertUsable(found, key, arch, region)
  const bootGb = Math.max(leastBootGb, found.minimum_provisioned_size ?? leastBootGb)
  return { id: found.id, name: found.name, bootGb, user: image ? 'root' : base!.user }
}

/** By id where it looks like one, else by name. */
async function look(
  settings: IbmSettings,
  region: string,
  wanted: string,
  ctx: Pick<Context, 'signal'>,
): Promise<VpcImage | undefined> {
  const isId = /^[a-z0-9]{4}-[0-9a-f]{8}-[0-9a-f-]{27}$/.test(wanted)
  return isId
    ? await imageById(settings, region, wanted, ctx)
    : await imageNamed(settings, region, wanted, ctx)
}

function assertUsable(found: VpcImage, key: string, arch: BuilderSpec['arch'], region: string): void {
  const { id, status, operating_system: system } = found
  if (system && system.architecture !== ibmArchitecture(arch)) {
    throw new FactoryError({
      code: 'ibm-base-architecture',
      message: `${key} is ${id} in ${region}, which is for ${system.architecture} and not for ${arch}`,
      hint: `Name an image for ${ibmArchitecture(arch)}: ibmcloud target -r ${region}; ibmcloud is images`,
      class: 'user',
    })
  }
  if (/^(available|deprecated)$/.test(status)) return
  throw new FactoryError({
    code: 'ibm-base-unusable',
    message: `${key} is ${id} in ${region}, and no machine can be started from it: it is ${status}`,
    hint: `Look at it: ibmcloud target -r ${region}; ibmcloud is image ${id}`,
    class: status === 'pending' ? 'infra' : 'user',
  })
}

function noBase(key: string, arch: string): FactoryError {
  return new FactoryError({
    code: 'base-not-configured',
    message: `${key} is not in the configuration, so this cloud rents no ${arch} machines`,
    hint: `Add ${key}.image; or name another cloud under builders.${arch}.`,
    class: 'user',
  })
}

function missing(key: string, wanted: string, region: string): FactoryError {
  return new FactoryError({
    code: 'ibm-base-missing',
    message: `${key} is ${wanted}, and there is no such image in ${region} that this account may use`,
    hint: `Ids differ from region to region. See which there are: ibmcloud target -r ${region}; ibmcloud is images`,
    class: 'user',
  })
}
