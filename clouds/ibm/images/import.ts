import type { ImageKey } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError, asFactoryError } from '#src/errors.ts'
import { parseDuration } from '#src/units.ts'
import { ibmErrorName, isNameTaken } from '../failures.ts'
import { imageName } from '../names.ts'
import { resourceGroupIn } from '../resource-group.ts'
import type { IbmSettings } from '../settings.ts'
import { refuseNamesake } from './begun.ts'
import type { Bucket } from './bucket.ts'
import { uploadGone } from './bucket-failures.ts'
import type { StoredObject } from './objects.ts'
import { operatingSystemFor } from './operating-system.ts'
import { createImage } from './vpc-images.ts'

/** An image whose answer was lost shows within seconds. */
const pausesMs = [0, 1_000, 2_000, 4_000]

/** What an import needs beside the object: looked up before gigabytes are sent, for it may be what is wrong. */
export interface ImportFacts {
  readonly operating_system: { readonly name: string }
  readonly resource_group?: { readonly id: string }
}

export async function importFacts(
  settings: IbmSettings,
  key: ImageKey,
  ctx: Pick<Context, 'signal'>,
): Promise<ImportFacts> {
  const name = await operatingSystemFor(settings, key.arch, key.region, ctx)
  return { operating_system: { name }, ...(await resourceGroupIn(settings, ctx)) }
}

/** The id of the image that VPC has begun to make of the object. Names are unique, so a request whose answer was lost is looked for by its name. */
export async function startImport(
  settings: IbmSettings,
  bucket: Bucket,
  key: ImageKey,
  facts: ImportFacts,
  object: StoredObject,
  ctx: Context,
): Promise<string> {
  const request = importRequest(settings, bucket, key, facts, object, ctx)
  try {
    return (await createImage(settings, key.region, request, ctx)).id
  } catch (error) {
    ctx.signal.throwIfAborted()
    const failure = withAuthorization(asFactoryError(error), settings)
    // Somebody elsewhere was done with the same content: nothing was made, and it is sent again.
    if (ibmErrorName(failure) === 'cos_not_found')
      throw uploadGone(`importing ${object.key}`, bucket, failure)
    if (!failure.retryable && !isNameTaken(failure)) throw failure
    for (const pauseMs of pausesMs) {
      await ctx.sleep(pauseMs)
      const made = await refuseNamesake(settings, bucket, key, ctx)
      if (!made) continue
      ctx.log(`${made.image.id} was begun although its answer was lost`)
      return made.image.id
    }
    throw failure
  }
}

/** https://cloud.ibm.com/apidocs/vpc#create-image; tags cannot be given along. */
function importRequest(
  { configuration }: IbmSettings,
  bucket: Bucket,
  key: ImageKey,
  facts: ImportFacts,
  object: StoredObject,
  ctx: Context,
): object {
  const { deprecateAfter, obsoleteAfter } = configuration
  const after = (duration: string) => new Date(ctx.now() + parseDuration(duration)!).toISOString()
  return {
    name: imageName(key),
    file: { href: `cos://${bucket.region}/${bucket.name}/${object.key}` },
    ...facts,
    ...(deprecateAfter === undefined ? {} : { deprecation_at: after(deprecateAfter) }),
    ...(obsoleteAfter === undefined ? {} : { obsolescence_at: after(obsoleteAfter) }),
  }
}

/** VPC reads the bucket itself, and needs leave to. */
function withAuthorization(failure: FactoryError, { name }: IbmSettings): FactoryError {
  if (!/^cos_not_authorized|^cos_.*authori/.test(ibmErrorName(failure))) return failure
  return new FactoryError({
    code: 'ibm-authorization',
    message: failure.message,
    hint: `Let VPC read the bucket, once an account: ibmcloud iam authorization-policy-create is cloud-object-storage Reader --source-resource-type image; is clouds.${name}.bucket of the same account?`,
    class: 'permission',
    cause: failure,
  })
}
