import { DescribeImportSnapshotTasksCommand, ImportSnapshotCommand } from '@aws-sdk/client-ec2'
import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
} from '@aws-sdk/client-s3'
import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { type Bucket, bucketOf, checkBucket } from '../images/bucket.ts'
import { ownerPrefix } from '../images/bucket-keys.ts'
import type { AwsSettings } from '../settings.ts'
import { finding } from './finding.ts'
import { type Probe, type Signal, tryRight } from './signals.ts'

/** Whether images can pass through the bucket, where they are to. */
export async function* lookAtBucket(settings: AwsSettings, ctx: Context): AsyncIterable<Finding> {
  const bucket = bucketOf(settings)
  if (!bucket || settings.configuration.method !== 's3') return
  const { importRole } = settings.configuration
  yield await finding(`bucket ${bucket.bucket}`, async () => {
    await checkBucket(bucket, importRole, ctx)
    return { severity: 'ok', message: `is in ${bucket.region}, to be read by ${importRole}` }
  })
}

/**
 * Rights on the bucket, tried by beginning an upload and giving it up again, and by looking at and deleting an object that
 * nobody has. `left` is an upload that could not be given up.
 */
export async function tryBucket(
  settings: AwsSettings,
  ctx: Context,
): Promise<{ signals: Signal[]; left?: string }> {
  const bucket = bucketOf(settings)
  if (!bucket) return { signals: [] }
  const place = { Bucket: bucket.bucket, Key: `${ownerPrefix(settings.owner)}doctor` }
  const signals: Signal[] = []
  const attempt = async (probe: Probe) => void signals.push(...(await tryRight(probe, bucket.region, ctx)))
  let UploadId: string | undefined
  await attempt({
    action: 's3:PutObject',
    by: 'call',
    send: async (o) => ({ UploadId } = await bucket.s3.send(new CreateMultipartUploadCommand(place), o)),
  })
  for (const probe of [...looks(bucket, place), ...withUpload(bucket, { ...place, UploadId })])
    await attempt(probe)
  if (settings.configuration.method === 's3') signals.push(...(await tryImport(settings, bucket, place, ctx)))
  const isGone = signals.some(
    ({ action, verdict }) => action === 's3:AbortMultipartUpload' && verdict === 'granted',
  )
  if (UploadId === undefined || isGone) return { signals }
  return {
    signals,
    left: `the empty upload ${place.Key} in the bucket ${bucket.bucket}: aws s3api abort-multipart-upload --bucket ${bucket.bucket} --key ${place.Key} --upload-id ${UploadId}`,
  }
}

interface Place {
  Bucket: string
  Key: string
}

function looks({ s3, clients }: Bucket, { Bucket, Key }: Place): Probe[] {
  const by = 'call'
  return [
    {
      action: 'ec2:DescribeImportSnapshotTasks',
      by,
      send: (o) => clients.ec2.send(new DescribeImportSnapshotTasksCommand({ MaxResults: 5 }), o),
    },
    {
      action: 's3:ListBucket',
      by,
      send: (o) => s3.send(new ListObjectsV2Command({ Bucket, Prefix: Key, MaxKeys: 1 }), o),
    },
    {
      action: 's3:ListBucketMultipartUploads',
      by,
      send: (o) => s3.send(new ListMultipartUploadsCommand({ Bucket, Prefix: Key, MaxUploads: 1 }), o),
    },
    // Who may not read is told that, and not that there is nothing.
    {
      action: 's3:GetObject',
      by,
      proof: /^NoSuchKey$/,
      send: (o) => s3.send(new GetObjectCommand({ Bucket, Key }), o),
    },
    { action: 's3:DeleteObject', by, send: (o) => s3.send(new DeleteObjectCommand({ Bucket, Key }), o) },
  ]
}

/** An upload that nobody began is refused to those only who may not ask about it. */
function withUpload({ s3 }: Bucket, place: Place & { UploadId: string | undefined }): Probe[] {
  const { UploadId = 'none' } = place
  const proof = /^NoSuchUpload$/
  const by = 'call'
  return [
    {
      action: 's3:ListMultipartUploadParts',
      by,
      proof,
      send: (o) => s3.send(new ListPartsCommand({ ...place, UploadId }), o),
    },
    {
      action: 's3:AbortMultipartUpload',
      by,
      proof,
      send: (o) => s3.send(new AbortMultipartUploadCommand({ ...place, UploadId }), o),
    },
  ]
}

/** A dry run that is granted has passed the role as well. */
async function tryImport(
  { configuration }: AwsSettings,
  { clients, region }: Bucket,
  { Bucket, Key }: Place,
  ctx: Context,
): Promise<Signal[]> {
  const request = new ImportSnapshotCommand({
    DiskContainer: { Format: 'RAW', UserBucket: { S3Bucket: Bucket, S3Key: Key } },
    RoleName: configuration.importRole,
    DryRun: true,
  })
  const probe = { action: 'ec2:ImportSnapshot', by: 'dry run' } as const
  const signals = await tryRight({ ...probe, send: (o) => clients.ec2.send(request, o) }, region, ctx)
  const isGranted = signals.some(({ verdict }) => verdict === 'granted')
  const passed: Signal[] = isGranted
    ? [{ action: 'iam:PassRole', region, verdict: 'granted', by: 'dry run' }]
    : []
  return [...signals, ...passed]
}
