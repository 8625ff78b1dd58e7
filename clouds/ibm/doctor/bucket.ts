import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { type Bucket, checkBucket, openBucket } from '../images/bucket.ts'
import { ownerPrefix } from '../images/object-keys.ts'
import { objectsBelow } from '../images/objects.ts'
import { abortUpload, beginUpload } from '../images/uploads.ts'
import type { IbmSettings } from '../settings.ts'
import { finding } from './finding.ts'

/** Whether images can pass through the bucket, tried by beginning an upload and giving it up again. */
export async function* lookAtBucket(settings: IbmSettings, ctx: Context): AsyncIterable<Finding> {
  const bucket = openBucket(settings)
  if (!bucket) {
    const message = `clouds.${settings.name}.bucket is not in the configuration, so no image can be published here`
    yield {
      severity: 'warning',
      subject: 'bucket',
      message,
      hint: 'Builders need none; docs/clouds/ibm.md makes one.',
    }
    return
  }
  yield await finding(`bucket ${bucket.name}`, ctx, async () => {
    await checkBucket(bucket, ctx)
    await tryToWrite(bucket, settings.owner, ctx)
    return { severity: 'ok', message: `is in ${bucket.region}, and can be listed and written to` }
  })
}

async function tryToWrite(bucket: Bucket, owner: string, ctx: Context): Promise<void> {
  await objectsBelow(bucket, ownerPrefix(owner), ctx)
  const upload = await beginUpload(bucket, `${ownerPrefix(owner)}doctor`, ctx)
  await abortUpload(bucket, upload, ctx)
}
