import type { ArchitectureName } from '#arch/index.ts'

/**
 * IBM ends its s390x machines: https://cloud.ibm.com/docs/vpc?topic=vpc-ichpcs_deprecated_anmt. Since 28 February 2026 new
 * ones are for accounts that IBM still allows; on this day it ends all.
 */
const endOfService: Partial<Record<ArchitectureName, { readonly atMs: number; readonly day: string }>> = {
  s390x: { atMs: Date.UTC(2027, 1, 20), day: '20 February 2027' },
}

/** What to do instead. */
export const insteadOfIbm =
  'Name a host of your own that stands already under builders.s390x (kind: ssh), or a hypervisor on IBM Z or LinuxONE (kind: libvirt).'

/** In words, how it stands with machines of an architecture; undefined where nothing ends. */
export function serviceEnd(
  arch: ArchitectureName,
  nowMs: number,
): { readonly isOver: boolean; readonly message: string } | undefined {
  const end = endOfService[arch]
  if (!end) return undefined
  if (nowMs >= end.atMs)
    return {
      isOver: true,
      message: `IBM has ended its ${arch} machines on ${end.day}: there are none to rent any more`,
    }
  const message = `IBM gives new ${arch} machines only to accounts that it still allows since 28 February 2026, and ends all of them on ${end.day}`
  return { isOver: false, message }
}
