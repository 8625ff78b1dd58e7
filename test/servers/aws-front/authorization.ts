import type { Call } from './call.ts'
import { permissionsFor } from './permissions.ts'
import type { Permission } from './permissions.ts'
import { decide } from './policy.ts'
import { Refusal } from './refusal.ts'
import type { World } from './world.ts'
import { items, text } from './xml.ts'

/** Refuses what the policy does not allow, each service in its own words; a dry run is refused like the real thing. */
export async function authorize(call: Call, world: World): Promise<void> {
  for (const permission of permissionsFor(call, world.account)) {
    const context = { ...permission.context, ...(await tagsOfResource(permission, call, world)) }
    const decision = decide(world.settings.policy, permission.action, permission.resource, context)
    if (decision !== 'allowed') throw denied(call, permission, decision)
  }
}

/** The tags that stand on an EC2 resource, as the keys of conditions; asked for only where a policy has such a condition. */
async function tagsOfResource(
  { resource }: Permission,
  { region, service }: Call,
  world: World,
): Promise<Record<string, string>> {
  const id = resource.split('/').at(-1) ?? ''
  const isAsked = /:ResourceTag\//i.test(JSON.stringify(world.settings.policy))
  if (!isAsked || (service !== 'ec2' && service !== 'ebs') || !/-[0-9a-f]{8,}$/.test(id)) return {}
  const answer = await world.upstream.ec2(region, 'DescribeTags', {
    'Filter.1.Name': 'resource-id',
    'Filter.1.Value.1': id,
  })
  const pairs = items(answer['tagSet']).flatMap((tag) => {
    const key = (text(tag, 'key') ?? '').toLowerCase()
    const value = text(tag, 'value') ?? ''
    return [
      [`aws:resourcetag/${key}`, value],
      [`ec2:resourcetag/${key}`, value],
    ]
  })
  return Object.fromEntries(pairs)
}

function denied({ service, caller }: Call, { action, resource }: Permission, decision: string): Refusal {
  const because =
    decision === 'explicitDeny'
      ? 'with an explicit deny in an identity-based policy'
      : `because no identity-based policy allows the ${action} action`
  const message = `User: ${caller} is not authorized to perform: ${action} on resource: ${resource} ${because}`
  if (service === 'ec2')
    return new Refusal({
      code: 'UnauthorizedOperation',
      status: 403,
      message: `You are not authorized to perform this operation. ${message}`,
    })
  const code = service === 'ebs' || service === 'ssm' ? 'AccessDeniedException' : 'AccessDenied'
  return new Refusal({ code, status: 403, message })
}
