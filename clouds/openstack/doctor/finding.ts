import type { Finding } from '#clouds/types.ts'
import { asFactoryError } from '#src/errors.ts'

export type Look = Omit<Finding, 'subject'>

/** What a look found; a look that fails is a finding itself. */
export async function finding(subject: string, look: () => Promise<Look>): Promise<Finding> {
  try {
    return { subject, ...(await look()) }
  } catch (error) {
    const { message, hint } = asFactoryError(error)
    return { severity: 'error', subject, message, ...(hint === undefined ? {} : { hint }) }
  }
}

export function ok(message: string): Look {
  return { severity: 'ok', message }
}
