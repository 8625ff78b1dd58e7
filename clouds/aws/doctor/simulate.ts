import { type ContextEntry, SimulatePrincipalPolicyCommand } from '@aws-sdk/client-iam'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import { call } from '../call.ts'
import type { AwsSettings } from '../settings.ts'
import { tagName } from '../tags.ts'
import { ownerPrefix } from '../images/bucket-keys.ts'
import { nothing } from './dry-runs.ts'
import type { Caller } from './identity.ts'
import { type Permission, type ResourceType, importService } from './permissions.ts'

export interface Simulation {
  /** What IAM says of each action about things that bear our mark. */
  marked: ReadonlyMap<string, boolean>
  /** The same about things without it: where this differs, a condition on the mark stands in a policy. */
  unmarked: ReadonlyMap<string, boolean>
  /** Why there is no answer. */
  failure?: string
}

/** Asks IAM what the policies of user or role say; what they do not know of, it does not either. */
export async function simulate(
  settings: AwsSettings,
  { principal, account, arn }: Caller,
  permissions: readonly Permission[],
  ctx: Context,
): Promise<Simulation> {
  const none = { marked: new Map<string, boolean>(), unmarked: new Map<string, boolean>() }
  if (principal === undefined) return { ...none, failure: `IAM cannot simulate ${arn}` }
  const ask = async (isMarked: boolean) => {
    const byType = Map.groupBy(permissions, ({ on }) => on)
    const answers = await Promise.all(
      [...byType].map(([on, group]) =>
        decisions(
          settings,
          { principal, account, on, isMarked, actions: group.map(({ action }) => action) },
          ctx,
        ),
      ),
    )
    return new Map(answers.flat())
  }
  try {
    const [marked, unmarked] = await Promise.all([ask(true), ask(false)])
    return { marked, unmarked }
  } catch (error) {
    ctx.signal.throwIfAborted()
    return { ...none, failure: asFactoryError(error).message }
  }
}

async function decisions(
  settings: AwsSettings,
  asked: {
    principal: string
    account: string
    on: ResourceType | undefined
    isMarked: boolean
    actions: string[]
  },
  ctx: Context,
): Promise<[string, boolean][]> {
  const { owner, configuration } = settings
  const { iam, region } = settings.clients(configuration.region)
  const { principal, on, isMarked, actions } = asked
  const [, partition = 'aws'] = /^arn:([\w-]+):/.exec(principal) ?? []
  const passedTo = contextEntry('iam:PassedToService', importService)
  const mark = contextEntry(`aws:ResourceTag/${tagName('owner')}`, owner)
  const found: [string, boolean][] = []
  let Marker: string | undefined
  do {
    const command = new SimulatePrincipalPolicyCommand({
      PolicySourceArn: principal,
      ActionNames: actions,
      ...(on === undefined ? {} : { ResourceArns: [arnOf(settings, on, partition, asked.account)] }),
      ContextEntries: isMarked ? [passedTo, mark] : [passedTo],
      Marker,
    })
    const page = await call('simulating policies', region, ctx, (options) => iam.send(command, options))
    for (const { EvalActionName = '', EvalDecision } of page.EvaluationResults ?? [])
      found.push([EvalActionName, EvalDecision === 'allowed'])
    Marker = page.IsTruncated ? page.Marker : undefined
  } while (Marker !== undefined)
  return found
}

function contextEntry(ContextKeyName: string, value: string): ContextEntry {
  return { ContextKeyName, ContextKeyType: 'string', ContextKeyValues: [value] }
}

/** What a policy has to say of a thing of this type. */
function arnOf(settings: AwsSettings, on: ResourceType, partition: string, account: string): string {
  const { owner, configuration } = settings
  const { region, bucket = '', importRole } = configuration
  switch (on) {
    case 'bucket':
      return `arn:${partition}:s3:::${bucket}`
    case 'object':
      return `arn:${partition}:s3:::${bucket}/${ownerPrefix(owner)}doctor`
    case 'role':
      return `arn:${partition}:iam::${account}:role/${importRole}`
    case 'image':
    case 'snapshot':
      // These have no account in their names.
      return `arn:${partition}:ec2:${region}::${on}/${nothing[on]}`
    default:
      return `arn:${partition}:ec2:${region}:${account}:${on}/${nothing[on]}`
  }
}
