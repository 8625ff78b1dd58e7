import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3'
import { Refused } from './refusal.ts'
import type { ImageRecord, World } from './world.ts'

const gigabyte = 1e9

/** What VPC looks at before it takes the request. */
export async function needObject(world: World, href: string): Promise<{ bucket: string; key: string }> {
  const form = /^cos:\/\/([a-z]{2}-[a-z]+)\/([^/]+)\/(.+)$/.exec(href)
  if (!form) throw new Refused(400, 'cos_scheme_uri_invalid', 'The URI is not cos://REGION/BUCKET/FILE.')
  const [, region = '', bucket = '', key = ''] = form
  if (key.includes('/'))
    throw new Refused(400, 'cos_uri_not_supported', 'The file is nested within a folder.')
  if (!/\.(qcow2|vhd)$/.test(key))
    throw new Refused(400, 'cos_invalid_file_extension', 'The extension is neither qcow2 nor vhd.')
  if (world.settings.authorization !== 'there')
    throw new Refused(
      403,
      'cos_not_authorized',
      'You are not authorized to access the Cloud Object Storage resource.',
    )
  const home = await world.store.config.region()
  if (home !== region) throw new Refused(400, 'cos_region_mismatch', 'The bucket is not in that region.')
  await world.store.send(new HeadObjectCommand({ Bucket: bucket, Key: key })).catch(() => {
    throw new Refused(400, 'cos_not_found', 'Cloud Object Storage resource not found.')
  })
  return { bucket, key }
}

/** Reads the object to its end, as VPC does when the request's turn has come. */
export async function importObject(world: World, image: ImageRecord): Promise<void> {
  const { importOutcome } = world.settings
  if (typeof importOutcome === 'object') {
    const { status, code, message } = importOutcome
    return void Object.assign(image, { status, reasons: [{ code, message }] })
  }
  const read = await readObject(world, image.source!).catch(() => undefined)
  if (!read || read.virtualBytes === undefined)
    return fail(image, 'image_data_corrupted', 'Image data is corrupt.')
  if (read.virtualBytes > 250 * gigabyte)
    return fail(image, 'image_provisioned_size_unsupported', 'The boot volume would be too large.')
  image.status = 'available'
  image.reasons = []
  image.sha256 = importOutcome === 'available' ? read.sha256 : '0'.repeat(64)
  image.minimumGb = Math.max(10, Math.ceil(read.virtualBytes / gigabyte))
}

function fail(image: ImageRecord, code: string, message: string): void {
  Object.assign(image, { status: 'failed', reasons: [{ code, message }] })
}

/** https://www.qemu.org/docs/master/interop/qcow2.html: the size of the disk stands at byte 24. */
async function readObject(
  { store }: World,
  { bucket, key }: { bucket: string; key: string },
): Promise<{ sha256: string; virtualBytes: number | undefined }> {
  const { Body } = await store.send(new GetObjectCommand({ Bucket: bucket, Key: key }))
  const digest = createHash('sha256')
  let head = Buffer.alloc(0)
  for await (const bytes of Body as Readable) {
    digest.update(bytes as Buffer)
    if (head.length < 32) head = Buffer.concat([head, bytes as Buffer])
  }
  const isQcow2 = head.subarray(0, 4).equals(Buffer.from('QFI\xfb', 'latin1'))
  return {
    sha256: digest.digest('hex'),
    virtualBytes: isQcow2 ? Number(head.readBigUInt64BE(24)) : undefined,
  }
}
