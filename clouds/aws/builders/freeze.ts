import type { BuilderSpec, Lease } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { attemptsFor } from './attempts.ts'
import { type BootImage, bootImage } from './boot-image.ts'
import { forRegion } from '../config.ts'
import { instanceTypesFor } from './instance-types.ts'
import { type FrozenRequest, type LeaseRecord, writeRecord } from './lease-record.ts'
import type { AwsSettings } from '../settings.ts'

const gibibyte = 1024 ** 3

/**
 * Decides what a machine is asked for with and writes it down. The data of a build go to the root volume, which
 * cloud-init grows to its size at the first boot: one volume less that can be left behind, and on EC2 a second one has no
 * serial number that we could choose.
 */
export async function freezeRequest(
  settings: AwsSettings,
  spec: BuilderSpec,
  lease: Lease,
  region: string,
  ctx: Context,
): Promise<LeaseRecord> {
  ctx.emit({ message: `looking up what ${lease.id} starts from in ${region}` })
  const [boot, instanceTypes] = await Promise.all([
    bootImage(settings, spec, region, ctx),
    instanceTypesFor(settings, spec.arch, region, ctx),
  ])
  ctx.log(`${lease.id} starts from ${boot.id} (${boot.name}) in ${region}`)
  const record: LeaseRecord = {
    region,
    request: requestFor(settings, boot, instanceTypes, spec.dataBytes, region),
    outcome: 'asked',
  }
  await writeRecord(settings, lease.id, record)
  return record
}

/** All that a machine is asked for with, as the configuration has it now. */
export function requestFor(
  { configuration }: AwsSettings,
  boot: BootImage,
  instanceTypes: readonly string[],
  dataBytes: number,
  region: string,
): FrozenRequest {
  return {
    imageId: boot.id,
    rootDevice: boot.rootDevice,
    rootSize: Math.ceil(boot.rootSize + dataBytes / gibibyte),
    user: boot.user,
    attempts: attemptsFor(configuration, region, instanceTypes),
    securityGroups: [...forRegion<string>(configuration, configuration.securityGroups, region)],
    address: configuration.address,
    tags: configuration.tags,
  }
}
