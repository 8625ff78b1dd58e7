import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { z } from 'zod'
import { FactoryError } from '#src/errors.ts'
import type { IbmConfiguration } from './config.ts'

/** HMAC keys of Cloud Object Storage, which S3 calls are signed with. */
export interface HmacKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** `ibmcloud iam api-key-create NAME --file FILE` writes this. */
const apiKeyFile = z.object({ apikey: z.string().min(1) })
const hmac = z.object({ access_key_id: z.string().min(1), secret_access_key: z.string().min(1) })
/** `ibmcloud resource service-key NAME --output JSON` prints a list of this; the console shows the credentials alone. */
const serviceKey = z.union([
  z.object({ credentials: z.object({ cos_hmac_keys: hmac }) }),
  z.object({ cos_hmac_keys: hmac }),
  hmac,
])

/** The API key, read anew each time: somebody may have put another one there. */
export async function readApiKey(
  { apiKeyFile: path }: Pick<IbmConfiguration, 'apiKeyFile'>,
  cloud: string,
): Promise<string> {
  if (path === undefined) {
    const key = process.env['IBMCLOUD_API_KEY']?.trim()
    if (key) return key
    throw missing(
      'there is no API key for IBM Cloud: IBMCLOUD_API_KEY is not in the environment',
      `Set it, or write clouds.${cloud}.apiKeyFile; ibmcloud iam api-key-create factory --file KEYFILE makes one.`,
    )
  }
  const making = `Make one: ibmcloud iam service-api-key-create factory factory --file ${path}   (then chmod 600; docs/clouds/ibm.md, step 2)`
  const text = await readSecret(path, `clouds.${cloud}.apiKeyFile`, making)
  if (!text.startsWith('{') && text !== '') return text
  const found = apiKeyFile.safeParse(parsed(text))
  if (found.success) return found.data.apikey
  throw missing(
    `clouds.${cloud}.apiKeyFile is ${path}, and no API key is in it`,
    'It holds the key alone, or what ibmcloud iam api-key-create factory --file KEYFILE writes.',
  )
}

/** The keys of the bucket. */
export async function readHmacKeys(
  { bucket }: Pick<IbmConfiguration, 'bucket'>,
  cloud: string,
): Promise<HmacKeys> {
  const making =
    'ibmcloud resource service-key-create factory Writer --instance-name COS-INSTANCE --parameters \'{"HMAC":true}\' makes them.'
  if (bucket?.keysFile === undefined) {
    const {
      IBMCLOUD_COS_ACCESS_KEY_ID: accessKeyId = '',
      IBMCLOUD_COS_SECRET_ACCESS_KEY: secretAccessKey = '',
    } = process.env
    if (accessKeyId !== '' && secretAccessKey !== '') return { accessKeyId, secretAccessKey }
    throw missing(
      'there are no HMAC keys for the bucket: IBMCLOUD_COS_ACCESS_KEY_ID and IBMCLOUD_COS_SECRET_ACCESS_KEY are not both in the environment',
      `Set both, or write clouds.${cloud}.bucket.keysFile; ${making}`,
    )
  }
  const howTo = `Make it: ibmcloud resource service-key factory --output JSON > ${bucket.keysFile}   (then chmod 600; docs/clouds/ibm.md, step 3)`
  const value = parsed(await readSecret(bucket.keysFile, `clouds.${cloud}.bucket.keysFile`, howTo))
  const found = serviceKey.safeParse(Array.isArray(value) ? value[0] : value)
  if (!found.success) {
    const what = `clouds.${cloud}.bucket.keysFile is ${bucket.keysFile}, and no HMAC keys are in it`
    throw missing(what, `A service credential has them only when it was made with them: ${making}`)
  }
  const outer = 'credentials' in found.data ? found.data.credentials : found.data
  const inner = 'cos_hmac_keys' in outer ? outer.cos_hmac_keys : outer
  return { accessKeyId: inner.access_key_id, secretAccessKey: inner.secret_access_key }
}

/** Where a file of the configuration really is. */
export function secretPath(path: string): string {
  return path.replace(/^~(?=\/)/, homedir())
}

async function readSecret(path: string, key: string, howTo: string): Promise<string> {
  try {
    return (await readFile(secretPath(path), 'utf8')).trim()
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT'
    const problem = isMissing ? 'is not there' : 'cannot be read'
    const hint = isMissing ? howTo : 'Let the user of the factory read it, and nobody else.'
    throw missing(`${key} is ${path}, which ${problem}`, hint, cause)
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function missing(message: string, hint: string, cause?: unknown): FactoryError {
  return new FactoryError({ code: 'ibm-credentials', message, hint, class: 'permission', cause })
}
