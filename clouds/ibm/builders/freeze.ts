import type { BuilderSpec, Lease } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { forRegion } from '../config.ts'
import { resourceGroupId } from '../resource-group.ts'
import type { IbmSettings } from '../settings.ts'
import { bootImage } from './boot-image.ts'
import { type FrozenRequest, type LeaseRecord, writeRecord } from './lease-record.ts'
import { profilesIn } from './profiles.ts'
import { placesIn } from './subnets.ts'

const gigabyte = 1e9
/** VPC makes no volume smaller than this. */
const leastVolumeGb = 10
/** More than this nobody waits for. */
const mostAttempts = 30

/** Decides what a machine is asked for with and writes it down. */
export async function freezeRequest(
  settings: IbmSettings,
  spec: BuilderSpec,
  lease: Lease,
  region: string,
  ctx: Context,
): Promise<LeaseRecord> {
  ctx.emit({ message: `looking up what ${lease.id} starts from in ${region}` })
  const request = await requestFor(settings, spec, region, ctx)
  ctx.log(`${lease.id} starts from ${request.imageId} in ${region}`)
  const record: LeaseRecord = { region, request, outcome: 'asked' }
  await writeRecord(settings, lease.id, record)
  return record
}

/** All that a machine is asked for with, as the configuration has it now; throws when something of it is not there. */
export async function requestFor(
  settings: IbmSettings,
  spec: Pick<BuilderSpec, 'arch' | 'image' | 'dataBytes'>,
  region: string,
  ctx: Pick<Context, 'signal'>,
): Promise<FrozenRequest> {
  const { configuration } = settings
  const [boot, profiles, places, resourceGroup] = await Promise.all([
    bootImage(settings, spec, region, ctx),
    profilesIn(settings, spec.arch, region, ctx),
    placesIn(settings, region, ctx),
    resourceGroupId(settings, ctx),
  ])
  const attempts = profiles.flatMap((profile) =>
    places.map(({ subnet, zone, vpc }) => ({ profile, subnet, zone, vpc })),
  )
  const dataGb = spec.dataBytes === 0 ? 0 : Math.max(leastVolumeGb, Math.ceil(spec.dataBytes / gigabyte))
  return {
    imageId: boot.id,
    bootGb: boot.bootGb,
    dataGb,
    volumeProfile: configuration.volumeProfile,
    user: boot.user,
    attempts: attempts.slice(0, mostAttempts),
    securityGroups: [...forRegion<string>(configuration, configuration.securityGroups, region)],
    ...(resourceGroup === undefined ? {} : { resourceGroup }),
    address: configuration.address,
  }
}
