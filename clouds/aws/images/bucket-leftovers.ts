import type { Resource } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { type Bucket, bucketOf } from './bucket.ts'
import { ownerPrefix, readObjectKey } from './bucket-keys.ts'
import { importTasksWith, isOver } from './import-tasks.ts'
import { endOf } from './leftovers.ts'
import { objectsBelow, removeObject } from './objects.ts'
import type { AwsSettings } from '../settings.ts'
import { snapshotById } from './snapshots.ts'
import { marksOf } from '../tags.ts'
import { type Upload, abortUpload, listedParts, uploadsBelow } from './uploads.ts'

const idForm = /^s3:\/\/([^/]+)\/([^#]+)(?:#(.+))?$/

/** What publishes by way of the bucket left: parts, whole objects, and snapshots that nobody has marked yet. */
export async function* findInBucket(
  settings: AwsSettings,
  owner: string,
  ctx: Context,
): AsyncIterable<Resource> {
  const bucket = bucketOf(settings)
  if (!bucket) return
  for (const upload of await uploadsBelow(bucket, ownerPrefix(owner), ctx)) {
    const since = await lastMoved(bucket, upload, ctx)
    if (since) yield inBucket(bucket, owner, `${upload.key}#${upload.id}`, since, 'unfinished')
  }
  for (const { Key, LastModified } of await objectsBelow(bucket, ownerPrefix(owner), ctx))
    yield inBucket(bucket, owner, Key!, LastModified, 'whole')
  yield* unmarkedSnapshots(bucket, owner, ctx)
}

/** Removes it; an object that AWS is still reading stays until it has. */
export async function discardFromBucket(
  settings: AwsSettings,
  { id }: Resource,
  ctx: Context,
): Promise<void> {
  const bucket = bucketOf(settings)
  const [, name, key, uploadId] = idForm.exec(id) ?? []
  if (name === undefined || key === undefined || name !== bucket?.bucket) return
  if (uploadId !== undefined) return await abortUpload(bucket, { key, id: uploadId }, ctx)
  const { owner = '', sha256 = '' } = readObjectKey(key) ?? {}
  const imports = await importTasksWith(bucket.clients, { owner, sha256 }, ctx)
  if (imports.every(({ SnapshotTaskDetail }) => isOver(SnapshotTaskDetail?.Status)))
    await removeObject(bucket, key, ctx)
}

export function isInBucket({ id }: Resource): boolean {
  return idForm.test(id)
}

/** When the last part came, or else the upload began; undefined when it is complete or gone meanwhile. */
async function lastMoved(bucket: Bucket, upload: Upload, ctx: Context): Promise<Date | undefined> {
  const parts = await listedParts(bucket, upload, ctx)
  if (!parts) return undefined
  const times = [upload.startedAt, ...parts.map(({ LastModified }) => LastModified)]
  return new Date(Math.max(...times.map((time) => time?.getTime() ?? 0)))
}

function inBucket(
  bucket: Bucket,
  owner: string,
  place: string,
  since: Date | undefined,
  state: string,
): Resource {
  const { release, arch } = readObjectKey(place.replace(/#.*/, '')) ?? {}
  return {
    kind: 'image',
    id: `s3://${bucket.bucket}/${place}`,
    region: bucket.region,
    owner,
    state,
    ...(release && { release }),
    ...(arch && { arch }),
    ...endOf(since),
  }
}

/** A run that was killed between an import's end and its next look at it has not told the snapshot whose it is. */
async function* unmarkedSnapshots(bucket: Bucket, owner: string, ctx: Context): AsyncIterable<Resource> {
  for (const { SnapshotTaskDetail, Tags } of await importTasksWith(bucket.clients, { owner }, ctx)) {
    const { Status, SnapshotId } = SnapshotTaskDetail ?? {}
    if (Status !== 'completed' || SnapshotId === undefined) continue
    const snapshot = await snapshotById(bucket.clients, SnapshotId, ctx)
    if (!snapshot || marksOf(snapshot.Tags)['owner'] !== undefined) continue
    const { release, arch } = marksOf(Tags)
    yield {
      kind: 'image',
      id: SnapshotId,
      region: bucket.region,
      owner,
      ...(release && { release }),
      ...(arch && { arch }),
      ...(snapshot.State && { state: snapshot.State }),
      ...endOf(snapshot.StartTime),
    }
  }
}
