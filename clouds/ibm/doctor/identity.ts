import { stat } from 'node:fs/promises'
import { z } from 'zod'
import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { readApiKey, secretPath } from '../credentials.ts'
import { unreadableAnswer } from '../failures.ts'
import { resourceGroupId } from '../resource-group.ts'
import type { IbmSettings } from '../settings.ts'
import { finding } from './finding.ts'

const details = z.object({ account_id: z.string(), name: z.string(), iam_id: z.string() })

/** Whose the API key is. */
export interface Identity {
  readonly account: string
  readonly keyName: string
  readonly iamId: string
}

/** Throws when IAM knows no such key. */
export async function identityOf(settings: IbmSettings, ctx: Pick<Context, 'signal'>): Promise<Identity> {
  const what = 'looking up the API key'
  const key = await readApiKey(settings.configuration, settings.name)
  const request = {
    what,
    service: 'iam',
    region: 'IAM',
    path: '/v1/apikeys/details',
    answer: details,
  } as const
  // https://cloud.ibm.com/apidocs/iam-identity-token-api#get-api-keys-details
  const found = await settings.call({ ...request, headers: { 'iam-apikey': key } }, ctx)
  if (!found) throw unreadableAnswer(what, 'IAM')
  return { account: found.account_id, keyName: found.name, iamId: found.iam_id }
}

/** Whether files with secrets are for the factory alone; one that is not there is told by whoever reads it. */
export async function* lookAtFiles(
  { configuration }: IbmSettings,
  ctx: Pick<Context, 'signal'>,
): AsyncIterable<Finding> {
  for (const path of [configuration.apiKeyFile, configuration.bucket?.keysFile]) {
    const facts = path === undefined ? undefined : await stat(secretPath(path)).catch(() => undefined)
    if (facts === undefined) continue
    yield await finding(`file ${path}`, ctx, async () => {
      const { mode } = facts
      if ((mode & 0o077) === 0) return { severity: 'ok', message: 'is readable by its owner alone' }
      return { severity: 'warning', message: 'can be read by others', hint: `chmod 600 ${path}` }
    })
  }
}

/** Whether the resource group is there. */
export async function lookAtGroup(settings: IbmSettings, ctx: Pick<Context, 'signal'>): Promise<Finding> {
  const wanted = settings.configuration.resourceGroup
  return await finding('resource group', ctx, async () => {
    const id = await resourceGroupId(settings, ctx)
    return {
      severity: 'ok',
      message: wanted === undefined ? 'the default one of the account' : `${wanted} (${id})`,
    }
  })
}
