import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'

/** What a look found; a look that fails is a finding itself, and does not keep the others from being made. */
export async function finding(
  subject: string,
  ctx: Pick<Context, 'signal'>,
  look: () => Promise<Omit<Finding, 'subject'>>,
): Promise<Finding> {
  try {
    return { subject, ...(await look()) }
  } catch (error) {
    ctx.signal.throwIfAborted()
    const { message, hint } = asFactoryError(error)
    return { severity: 'error', subject, message, ...(hint === undefined ? {} : { hint }) }
  }
}
