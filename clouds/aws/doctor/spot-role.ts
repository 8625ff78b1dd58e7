import { GetRoleCommand } from '@aws-sdk/client-iam'
import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { makingSpotRole, spotRole } from '../builders/spot-role.ts'
import { call } from '../call.ts'
import { awsErrorName } from '../failures.ts'
import type { AwsSettings } from '../settings.ts'
import { finding } from './finding.ts'

/**
 * Whether an account that asks for spot machines has the role that they need. Without it they are had only by who has the
 * right iam:CreateServiceLinkedRole, which the factory does not ask for: the role is made once an account.
 */
export async function* lookAtSpotRole(settings: AwsSettings, ctx: Context): AsyncIterable<Finding> {
  const { spot, region } = settings.configuration
  if (spot !== 'first') return
  const { iam } = settings.clients(region)
  yield await finding('role for spot machines', async () => {
    try {
      await call(`looking up the role ${spotRole}`, region, ctx, (options) =>
        iam.send(new GetRoleCommand({ RoleName: spotRole }), options),
      )
    } catch (error) {
      ctx.signal.throwIfAborted()
      const hint = `Once an account, by somebody with rights on IAM: ${makingSpotRole}`
      if (awsErrorName(error).startsWith('NoSuchEntity'))
        return { severity: 'warning', message: `the account has no ${spotRole}`, hint }
      if (!awsErrorName(error).startsWith('AccessDenied')) throw error
      const message = `whether the account has ${spotRole} is not known: iam:GetRole is not allowed`
      return { severity: 'warning', message, hint: `${hint} (it says so when it is there already)` }
    }
    return { severity: 'ok', message: `the account has ${spotRole}` }
  })
}
