/** An identity policy: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html */
export interface PolicyDocument {
  readonly Version?: string
  readonly Statement: PolicyStatement | readonly PolicyStatement[]
}

export interface PolicyStatement {
  readonly Sid?: string
  readonly Effect: 'Allow' | 'Deny'
  readonly Action?: string | readonly string[]
  readonly NotAction?: string | readonly string[]
  readonly Resource?: string | readonly string[]
  readonly NotResource?: string | readonly string[]
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>
}

export type Decision = 'allowed' | 'explicitDeny' | 'implicitDeny'

/** What is known about a request besides action and resource, by condition key in lower case. */
export type PolicyContext = Readonly<Record<string, string>>

export const allowAll: PolicyDocument = {
  Version: '2012-10-17',
  Statement: { Effect: 'Allow', Action: '*', Resource: '*' },
}

/** A Deny wins over everything, an Allow is needed. */
export function decide(
  policy: PolicyDocument,
  action: string,
  resource: string,
  context: PolicyContext = {},
): Decision {
  const applying = listed(policy.Statement).filter((statement) =>
    applies(statement, action, resource, context),
  )
  if (applying.some(({ Effect }) => Effect === 'Deny')) return 'explicitDeny'
  return applying.some(({ Effect }) => Effect === 'Allow') ? 'allowed' : 'implicitDeny'
}

function applies(
  { Action, NotAction, Resource, NotResource, Condition = {} }: PolicyStatement,
  action: string,
  resource: string,
  context: PolicyContext,
): boolean {
  const isAction = Action === undefined ? !some(NotAction, action, 'i') : some(Action, action, 'i')
  const isResource = Resource === undefined ? !some(NotResource, resource) : some(Resource, resource)
  return isAction && isResource && holds(Condition, context)
}

function holds(conditions: NonNullable<PolicyStatement['Condition']>, context: PolicyContext): boolean {
  return Object.entries(conditions).every(([operator, keys]) =>
    Object.entries(keys).every(([key, patterns]) => compare(operator, context[key.toLowerCase()], patterns)),
  )
}

/** Refuses an operator that it does not know, because a condition that is never looked at would hold by accident. */
function compare(operator: string, value: string | undefined, patterns: string | readonly string[]): boolean {
  const [, plain = '', ifExists] = /^(.+?)(IfExists)?$/.exec(operator) ?? []
  if (plain === 'Null') return some(patterns, String(value === undefined))
  const positive = plain.replace('Not', '')
  if (!['StringEquals', 'StringLike', 'ArnEquals', 'ArnLike', 'Bool'].includes(positive))
    throw new Error(`this front does not know the condition operator ${operator}`)
  if (value === undefined) return ifExists !== undefined || plain !== positive
  const isSame = positive === 'StringEquals' || positive === 'Bool'
  const found = isSame ? listed(patterns).includes(value) : some(patterns, value)
  return plain === positive ? found : !found
}

function some(patterns: string | readonly string[] | undefined, value: string, flags = ''): boolean {
  return listed(patterns ?? []).some((pattern) => wildcard(pattern, flags).test(value))
}

function wildcard(pattern: string, flags: string): RegExp {
  const source = pattern.replace(/[.*+?^${}()|[\]\\]/g, (found) => {
    if (found === '*') return '.*'
    return found === '?' ? '.' : `\\${found}`
  })
  return new RegExp(`^${source}$`, flags)
}

function listed<T>(said: T | readonly T[]): readonly T[] {
  return Array.isArray(said) ? (said as readonly T[]) : [said as T]
}
