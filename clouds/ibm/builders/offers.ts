import { type ArchitectureName, architectures } from '#arch/index.ts'
import type { Verdict } from '#clouds/types.ts'
import { type IbmArchitecture, forRegion } from '../config.ts'
import { insteadOfIbm, serviceEnd } from '../end-of-service.ts'
import type { IbmSettings } from '../settings.ts'

/** Whether machines of an architecture can be rented; with a region, whether one of our own images can be booted there. */
export function offers(
  settings: IbmSettings,
  arch: ArchitectureName,
  region?: string,
  nowMs = Date.now(),
): Verdict {
  const { name, configuration } = settings
  if (architectures[arch].ibm === undefined) {
    const hint = `Name another cloud under builders: ${arch}.`
    return { ok: false, reason: `IBM Cloud VPC has no ${arch} machines`, hint }
  }
  const end = serviceEnd(arch, nowMs)
  if (end?.isOver) return { ok: false, reason: end.message, hint: insteadOfIbm }
  if (region === undefined && !configuration.base[arch as IbmArchitecture]) {
    const key = `clouds.${name}.base.${arch}`
    return { ok: false, reason: `${key} is not in the configuration`, hint: `Add ${key}.image.` }
  }
  const place = region ?? configuration.region
  if (forRegion<string>(configuration, configuration.subnets, place).length > 0) return { ok: true }
  const reason = `clouds.${name}.subnets names no subnet in ${place}, and machines are rented into one`
  const hint = `Write clouds.${name}.subnets as one list a region; ibmcloud target -r ${place}; ibmcloud is subnets shows them.`
  return { ok: false, reason, hint }
}
