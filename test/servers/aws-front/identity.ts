import { randomUUID } from 'node:crypto'
import type { Answer, Operation } from './call.ts'
import { decide } from './policy.ts'
import { listOf } from './query.ts'
import type { Parameters } from './query.ts'
import { Refusal } from './refusal.ts'
import { buildXml } from './xml.ts'
import type { Node } from './xml.ts'

/** Who signed the request; nobody is refused this. */
export const getCallerIdentity: Operation = async (call, world) =>
  queryAnswer('GetCallerIdentity', 'https://sts.amazonaws.com/doc/2011-06-15/', {
    Arn: call.caller,
    UserId: 'AIDAFACTORY',
    Account: world.account,
  })

const largestPage = 100

/** What the policy would say; or what `simulated` says, when tests want IAM to be wrong about itself. */
export const simulatePrincipalPolicy: Operation = async (call, world) => {
  const { parameters } = call
  needPrincipal(parameters['PolicySourceArn'], world.account)
  const policy = world.settings.simulated ?? world.settings.policy
  const context = contextOf(parameters)
  const resources = listOf(parameters, 'ResourceArns.member')
  const all = listOf(parameters, 'ActionNames.member').flatMap((action) =>
    (resources.length > 0 ? resources : ['*']).map((resource) => ({
      EvalActionName: action,
      EvalResourceName: resource,
      EvalDecision: decide(policy, action, resource, context),
      MatchedStatements: '',
      MissingContextValues: '',
    })),
  )
  const asked = Number(parameters['MaxItems'] ?? largestPage)
  const size = Math.min(asked, world.settings.pageSize ?? largestPage)
  const start = Number(parameters['Marker'] ?? 0)
  const end = start + size
  return queryAnswer('SimulatePrincipalPolicy', 'https://iam.amazonaws.com/doc/2010-05-08/', {
    EvaluationResults: { member: all.slice(start, end) },
    IsTruncated: String(end < all.length),
    ...(end < all.length ? { Marker: String(end) } : {}),
  })
}

/** Root and the session of a role cannot be simulated, only users, groups and roles. */
function needPrincipal(arn: string | undefined, account: string): void {
  const form = new RegExp(`^arn:aws:iam::${account}:(user|group|role)/\\S+$`)
  if (arn !== undefined && form.test(arn)) return
  throw new Refusal({
    code: 'InvalidInput',
    message: `Invalid Entity Arn: ${arn} does not clearly define entity type and name.`,
  })
}

function contextOf(parameters: Parameters): Record<string, string> {
  const numbers = Object.keys(parameters).flatMap(
    (key) => /^ContextEntries\.member\.(\d+)\.ContextKeyName$/.exec(key)?.[1] ?? [],
  )
  return Object.fromEntries(
    numbers.map((number) => {
      const prefix = `ContextEntries.member.${number}`
      const [value = ''] = listOf(parameters, `${prefix}.ContextKeyValues.member`)
      return [(parameters[`${prefix}.ContextKeyName`] ?? '').toLowerCase(), value]
    }),
  )
}

/** As the services answer that are asked by a query form. */
export function queryAnswer(action: string, namespace: string, content: Node): Answer {
  const body = buildXml(`${action}Response`, namespace, {
    [`${action}Result`]: content,
    ResponseMetadata: { RequestId: randomUUID() },
  })
  return { status: 200, headers: { 'content-type': 'text/xml' }, body }
}
