import type { ArchitectureName } from '#arch/index.ts'
import type { Verdict } from '#clouds/types.ts'
import type { OpenstackSettings } from '../settings.ts'

/** Whether machines of an architecture can be rented; with a region, whether one of our own images can be booted there. */
export function offers(settings: OpenstackSettings, arch: ArchitectureName, region?: string): Verdict {
  const { name, configuration } = settings
  if (region !== undefined && region !== configuration.region) {
    const reason = `machines are rented in ${configuration.region} only, and the image is in ${region}`
    return {
      ok: false,
      reason,
      hint: `Describe ${region} as a cloud of its own to have its images booted there.`,
    }
  }
  if (!configuration.flavors[arch]) {
    const key = `clouds.${name}.flavors.${arch}`
    return {
      ok: false,
      reason: `${key} is not in the configuration`,
      hint: `Add ${key}: openstack flavor list shows which there are.`,
    }
  }
  if (region !== undefined || configuration.base[arch]) return { ok: true }
  const key = `clouds.${name}.base.${arch}`
  return { ok: false, reason: `${key} is not in the configuration`, hint: `Add ${key}.image.` }
}
