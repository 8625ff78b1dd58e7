import { z } from 'zod'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { unreadableAnswer } from './failures.ts'
import type { IbmSettings } from './settings.ts'

const groups = z.object({
  resources: z.array(z.object({ id: z.string(), name: z.string(), state: z.string().optional() })),
})

/** `resource_group` of a request; nothing when the configuration names none, which means the account's default. */
export async function resourceGroupIn(
  settings: IbmSettings,
  ctx: Pick<Context, 'signal'>,
): Promise<{ resource_group?: { id: string } }> {
  const id = await resourceGroupId(settings, ctx)
  return id === undefined ? {} : { resource_group: { id } }
}

/** The id of the resource group that the configuration names by name or id; throws, with what there is, when there is none. */
export async function resourceGroupId(
  { call, name: cloud, configuration }: IbmSettings,
  ctx: Pick<Context, 'signal'>,
): Promise<string | undefined> {
  const wanted = configuration.resourceGroup
  if (wanted === undefined) return undefined
  const what = 'listing resource groups'
  const request = { what, service: 'resources' as const, region: 'the account', path: '/resource_groups' }
  const answer = await call({ ...request, answer: groups }, ctx)
  if (!answer) throw unreadableAnswer(what, 'the account')
  const found = answer.resources.find(({ id, name }) => id === wanted || name === wanted)
  if (found) return found.id
  throw new FactoryError({
    code: 'ibm-resource-group',
    message: `clouds.${cloud}.resourceGroup is ${wanted}, and the API key sees no such resource group`,
    hint: `It sees: ${answer.resources.map(({ name }) => name).join(', ') || 'none'}. Correct it, or give the key the role Viewer on it.`,
    class: 'user',
  })
}
