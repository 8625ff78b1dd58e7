import { z } from 'zod'
import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import type { IbmSettings } from '../settings.ts'

const attributes = z.object({ attributes: z.array(z.object({ name: z.string(), value: z.string() })) })
const policies = z.object({
  policies: z.array(
    z.object({
      state: z.string().optional(),
      subjects: z.array(attributes),
      resources: z.array(attributes),
      roles: z.array(z.object({ role_id: z.string() })),
    }),
  ),
})

type Policy = z.infer<typeof policies>['policies'][number]

/** Lets VPC read all buckets of the account, so that it can import images: https://cloud.ibm.com/docs/vpc?topic=vpc-object-storage-prereq */
export const makingAuthorization =
  'ibmcloud iam authorization-policy-create is cloud-object-storage Reader --source-resource-type image'

/** Whether VPC may read the bucket; without that every import is refused. */
export async function lookAtAuthorization(
  settings: IbmSettings,
  account: string,
  ctx: Context,
): Promise<Finding> {
  const subject = 'authorization of VPC to read the bucket'
  const bucket = settings.configuration.bucket?.name ?? ''
  try {
    const what = 'listing authorizations'
    const query = { account_id: account, type: 'authorization', state: 'active' }
    const request = {
      what,
      service: 'iam',
      region: 'IAM',
      path: '/v1/policies',
      query,
      answer: policies,
    } as const
    const all = (await settings.call(request, ctx))?.policies ?? []
    const reading = all.filter(isForImages)
    if (reading.some((policy) => covers(policy, bucket)))
      return { severity: 'ok', subject, message: 'is there' }
    const message =
      reading.length === 0
        ? 'there is none'
        : `there are ${reading.length}, and none of them is for ${bucket}`
    return {
      severity: 'error',
      subject,
      message,
      hint: `${makingAuthorization}, by somebody who administers the account.`,
    }
  } catch (error) {
    ctx.signal.throwIfAborted()
    const { class: failureClass, message, hint } = asFactoryError(error)
    const severity = failureClass === 'permission' ? 'warning' : 'error'
    const told =
      failureClass === 'permission'
        ? `Not being allowed to look says nothing; if imports are refused: ${makingAuthorization}`
        : hint
    return { severity, subject, message, ...(told === undefined ? {} : { hint: told }) }
  }
}

/** Of VPC's images, or of all of VPC, with a role that reads. */
function isForImages({ subjects, resources, roles, state }: Policy): boolean {
  const type = valueIn(subjects, 'resourceType')
  return (
    (state ?? 'active') === 'active' &&
    valueIn(subjects, 'serviceName') === 'is' &&
    (type === undefined || type === 'image') &&
    valueIn(resources, 'serviceName') === 'cloud-object-storage' &&
    roles.some(({ role_id: role }) => /:(Reader|Writer|Manager|ContentReader|ObjectReader)$/.test(role))
  )
}

/** One that names an instance of object storage is believed: whose the bucket is cannot be asked. */
function covers({ resources }: Policy, bucket: string): boolean {
  const named = valueIn(resources, 'resource')
  return named === undefined || named === bucket
}

function valueIn(all: Policy['subjects'], name: string): string | undefined {
  return all.flatMap((each) => each.attributes).find((attribute) => attribute.name === name)?.value
}
