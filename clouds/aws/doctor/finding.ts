import type { Finding } from '#clouds/types.ts'
import { asFactoryError } from '#src/errors.ts'

/** What a look found; a look that fails is a finding itself. Rights that are missing are told elsewhere, all at once. */
export async function finding(
  subject: string,
  look: () => Promise<Omit<Finding, 'subject'>>,
): Promise<Finding> {
  try {
    return { subject, ...(await look()) }
  } catch (error) {
    const { class: failureClass, message, hint } = asFactoryError(error)
    const severity = failureClass === 'permission' ? 'warning' : 'error'
    return { severity, subject, message, ...(hint === undefined ? {} : { hint }) }
  }
}
