import type { ArchitectureName } from '#arch/index.ts'
import type { Verdict } from '#clouds/types.ts'
import { type AwsArchitecture, awsArchitectures, forRegion } from '../config.ts'
import type { AwsSettings } from '../settings.ts'

/**
 * Whether machines of an architecture can be rented; with a region, whether one of our own images can be booted there.
 * Where `subnets` or `securityGroups` are given and say nothing of that region, nobody could reach such a machine; where
 * they are not given at all the default VPC of every region serves.
 */
export function offers(settings: AwsSettings, arch: ArchitectureName, region?: string): Verdict {
  const { name, configuration } = settings
  if (!awsArchitectures.includes(arch as AwsArchitecture)) {
    const hint = `Name another cloud under builders: ${arch}.`
    return { ok: false, reason: `EC2 has no ${arch} machines`, hint }
  }
  if (region === undefined) {
    if (configuration.base[arch as AwsArchitecture]) return { ok: true }
    const key = `clouds.${name}.base.${arch}`
    return {
      ok: false,
      reason: `${key} is not in the configuration`,
      hint: `Add ${key}.ami, .ssm, or .owner and .name.`,
    }
  }
  for (const key of ['subnets', 'securityGroups'] as const) {
    const setting: readonly string[] | Readonly<Record<string, readonly string[]>> = configuration[key]
    const given = Array.isArray(setting) ? setting.length > 0 : Object.keys(setting).length > 0
    if (given && forRegion<string>(configuration, setting, region).length === 0) {
      const reason = `clouds.${name}.${key} says nothing of ${region}, so no machine can be reached there`
      return { ok: false, reason, hint: `Write clouds.${name}.${key} as one list a region.` }
    }
  }
  return { ok: true }
}
