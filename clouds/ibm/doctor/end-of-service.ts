import type { Finding } from '#clouds/types.ts'
import { type IbmArchitecture, ibmArchitectures } from '../config.ts'
import { insteadOfIbm, serviceEnd } from '../end-of-service.ts'
import type { IbmSettings } from '../settings.ts'

/** Says in words when IBM ends the machines of an architecture that the configuration uses. */
export function* lookAtEndOfService({ configuration }: IbmSettings, nowMs: number): Iterable<Finding> {
  const { base, operatingSystem, profiles } = configuration
  const isUsed = (arch: IbmArchitecture) =>
    [base, operatingSystem, profiles].some((setting) => setting[arch] !== undefined)
  for (const arch of ibmArchitectures.filter(isUsed)) {
    const end = serviceEnd(arch, nowMs)
    if (!end) continue
    const severity = end.isOver ? 'error' : 'warning'
    yield { severity, subject: `${arch} machines`, message: end.message, hint: insteadOfIbm }
  }
}
