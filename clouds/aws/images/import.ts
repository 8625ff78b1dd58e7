import type { ImportSnapshotTask } from '@aws-sdk/client-ec2'
import type { ImageKey } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import { type Bucket, bucketOf } from './bucket.ts'
import { removeContent } from './bucket-content.ts'
import { amiName, clientToken, contentMarks, imageMarks } from './image-marks.ts'
import { importTasksWith, importedSnapshot, isOver, startImport } from './import-tasks.ts'
import type { AwsSettings } from '../settings.ts'
import { waitUntilCompleted } from './snapshot.ts'
import { snapshotById, snapshotsWith, tagSnapshot } from './snapshots.ts'
import { marksOf, tagsOf } from '../tags.ts'
import { uploadArtifact } from './upload.ts'

/**
 * The completed snapshot of an artifact in the main region, by way of a bucket from which AWS imports it. Whatever an
 * earlier run has got to is taken: the snapshot, the import, the object, the parts of it. The bucket has nothing of it then.
 */
export async function importSnapshot(
  settings: AwsSettings,
  artifact: Artifact,
  key: ImageKey,
  ctx: Context,
): Promise<string> {
  const bucket = bucketOf(settings)!
  const known = await snapshotsWith(bucket.clients, contentMarks(key), ctx)
  const good = known.find(({ State }) => State === 'completed')
  const id = good?.SnapshotId ?? (await imported(settings, bucket, artifact, key, ctx))
  await removeContent(bucket, key, ctx)
  return id
}

async function imported(
  settings: AwsSettings,
  bucket: Bucket,
  artifact: Artifact,
  key: ImageKey,
  ctx: Context,
): Promise<string> {
  const tasks = await importTasksWith(bucket.clients, contentMarks(key), ctx)
  const finished = await snapshotOf(bucket, tasks, ctx)
  const id = finished ?? (await byImport(settings, bucket, artifact, key, tasks, ctx))
  await waitUntilCompleted(bucket.clients, id, ctx)
  await mark(settings, bucket, artifact, key, id, ctx)
  return id
}

async function byImport(
  settings: AwsSettings,
  bucket: Bucket,
  artifact: Artifact,
  key: ImageKey,
  tasks: readonly ImportSnapshotTask[],
  ctx: Context,
): Promise<string> {
  const running = tasks.find(({ SnapshotTaskDetail }) => !isOver(SnapshotTaskDetail?.Status))
  const task = running?.ImportTaskId ?? (await start(settings, bucket, artifact, key, tasks, ctx))
  try {
    return await importedSnapshot(bucket.clients, task, ctx)
  } catch (error) {
    // What AWS could not make a snapshot of is of no use to the next try.
    if (asFactoryError(error).code === 'aws-import-failed') await removeIfPossible(bucket, key, ctx)
    throw error
  }
}

/** What an import has made that ended when nobody listened any more. */
async function snapshotOf(
  { clients }: Bucket,
  tasks: readonly ImportSnapshotTask[],
  ctx: Context,
): Promise<string | undefined> {
  for (const { SnapshotTaskDetail } of tasks) {
    const { Status, SnapshotId } = SnapshotTaskDetail ?? {}
    if (Status !== 'completed' || SnapshotId === undefined) continue
    // An image that was removed has taken it along.
    const snapshot = await snapshotById(clients, SnapshotId, ctx)
    if (snapshot && snapshot.State !== 'error') return SnapshotId
  }
  return undefined
}

async function start(
  { configuration }: AwsSettings,
  bucket: Bucket,
  artifact: Artifact,
  key: ImageKey,
  ended: readonly ImportSnapshotTask[],
  ctx: Context,
): Promise<string> {
  const object = await uploadArtifact(bucket, artifact, key, ctx)
  const name = amiName(key)
  const Tags = tagsOf(imageMarks(key, artifact), name, configuration.tags)
  // The token of an import that is over would only give that one back.
  const before = ended.flatMap(({ ImportTaskId }) => ImportTaskId ?? []).toSorted()
  const request = {
    ClientToken: clientToken(bucket.bucket, object.key, object.identity, JSON.stringify(Tags), ...before),
    Description: `${name}, made by the image factory`,
    DiskContainer: {
      Format: 'RAW',
      Description: name,
      UserBucket: { S3Bucket: bucket.bucket, S3Key: object.key },
    },
    RoleName: configuration.importRole,
    TagSpecifications: [{ ResourceType: 'import-snapshot-task' as const, Tags }],
  }
  return await startImport(bucket, request, ctx)
}

/** The tags of an import are not those of its snapshot. */
async function mark(
  { configuration }: AwsSettings,
  { clients }: Bucket,
  artifact: Artifact,
  key: ImageKey,
  id: string,
  ctx: Context,
): Promise<void> {
  const snapshot = await snapshotById(clients, id, ctx)
  if (marksOf(snapshot?.Tags)['sha256'] === key.sha256) return
  const Tags = tagsOf(imageMarks(key, artifact), amiName(key), configuration.tags)
  await tagSnapshot(clients, id, Tags, ctx)
}

async function removeIfPossible(bucket: Bucket, key: ImageKey, ctx: Context): Promise<void> {
  await removeContent(bucket, key, ctx).catch((error: unknown) => {
    ctx.log(`the bucket keeps what was sent: ${asFactoryError(error).message}`)
  })
}
