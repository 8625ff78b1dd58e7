import { GetRoleCommand } from '@aws-sdk/client-iam'
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts'
import type { Context } from '#src/context.ts'
import { call } from '../call.ts'
import type { AwsSettings } from '../settings.ts'

export interface Caller {
  /** As STS tells it. */
  arn: string
  account: string
  /** The user or role whose policies decide; absent for root and for what IAM cannot simulate. */
  principal?: string
  /** Milliseconds that AWS's clock is ahead of ours; undefined when it did not say. */
  skewMs?: number
}

/** Who asks. Everybody may ask that; when not even this is answered, nothing else will be. */
export async function callerOf(settings: AwsSettings, ctx: Context): Promise<Caller> {
  const { region } = settings.configuration
  const { sts } = settings.clients(region)
  let date: string | undefined
  const command = new GetCallerIdentityCommand({})
  command.middlewareStack.add(
    (next) => async (input) => {
      const result = await next(input)
      date = (result.response as { headers?: Record<string, string> }).headers?.['date']
      return result
    },
    { step: 'deserialize', priority: 'low', name: 'readClock' },
  )
  const identity = await call('asking who we are', region, ctx, (options) => sts.send(command, options))
  const answeredAt = ctx.now()
  const caller = { arn: identity.Arn ?? '', account: identity.Account ?? '' }
  const principal = await principalOf(settings, caller.arn, ctx)
  return {
    ...caller,
    ...(principal === undefined ? {} : { principal }),
    // The header has whole seconds.
    ...(date === undefined ? {} : { skewMs: Date.parse(date) + 500 - answeredAt }),
  }
}

/** IAM simulates users and roles, not sessions; a session's ARN does not tell the path of its role. */
async function principalOf(settings: AwsSettings, arn: string, ctx: Context): Promise<string | undefined> {
  if (/^arn:[\w-]+:iam::\d{12}:(user|role)\//.test(arn)) return arn
  const [, partition, account, name] = /^arn:([\w-]+):sts::(\d{12}):assumed-role\/([^/]+)\//.exec(arn) ?? []
  if (name === undefined) return undefined
  const { iam, region } = settings.clients(settings.configuration.region)
  try {
    const { Role } = await call(`looking up the role ${name}`, region, ctx, (options) =>
      iam.send(new GetRoleCommand({ RoleName: name }), options),
    )
    if (Role?.Arn !== undefined) return Role.Arn
  } catch {
    ctx.signal.throwIfAborted()
  }
  return `arn:${partition}:iam::${account}:role/${name}`
}
