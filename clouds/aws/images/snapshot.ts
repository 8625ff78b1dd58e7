import { CompleteSnapshotCommand, StartSnapshotCommand } from '@aws-sdk/client-ebs'
import type { Snapshot } from '@aws-sdk/client-ec2'
import type { ImageKey } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError, asFactoryError } from '#src/errors.ts'
import { answered } from '../answer.ts'
import { callAgain } from '../call.ts'
import { type RegionClients, mostSockets } from '../clients.ts'
import { amiName, clientToken, contentMarks, imageMarks } from './image-marks.ts'
import { createPace } from '#clouds/pace.ts'
import { type SentContent, sendBlocks } from './send-blocks.ts'
import { forgetSentBlocks, openSentBlocks } from './sent-blocks.ts'
import type { AwsSettings } from '../settings.ts'
import { deleteSnapshot, snapshotById, snapshotsWith } from './snapshots.ts'
import { tagsOf } from '../tags.ts'
import { until } from '../wait.ts'

const GiB = 1024 ** 3
/** After so many minutes without a block EBS gives a snapshot up by itself: the end of one that nobody goes on with. */
const abandonedMinutes = 120
const completedLimitMs = 60 * 60_000
const alreadyClosedLimitMs = 60_000
const visibleLimitMs = 132_000

/**
 * The completed snapshot of an artifact in a region, by EBS direct: no bucket, no role, only blocks that hold anything. One
 * that is there already is taken; one that was begun, and of which we know what it has got, is gone on with.
 */
export async function makeSnapshot(
  settings: AwsSettings,
  artifact: Artifact,
  key: ImageKey,
  ctx: Context,
): Promise<string> {
  const clients = settings.clients(key.region)
  const found = await startOrFind(settings, clients, artifact, key, ctx)
  if (found.state !== 'completed') {
    await fill(settings, clients, artifact, found, ctx)
    await waitUntilCompleted(clients, found.id, ctx)
  }
  await forgetSentBlocks(settings.stateDirectory, found.id)
  return found.id
}

interface Begun {
  id: string
  state: 'pending' | 'completed'
  startedAt: number
}

async function startOrFind(
  settings: AwsSettings,
  clients: RegionClients,
  artifact: Artifact,
  key: ImageKey,
  ctx: Context,
): Promise<Begun> {
  const known = await snapshotsWith(clients, contentMarks(key), ctx)
  const good =
    known.find(({ State }) => State === 'completed') ?? known.find(({ State }) => State === 'pending')
  if (good) return begun(good, ctx)
  const failed = known.flatMap(({ SnapshotId }) => SnapshotId ?? []).toSorted()
  const started = await startAnew(settings, clients, artifact, key, failed, ctx)
  for (const id of failed) {
    await deleteSnapshot(clients, id, ctx)
    await forgetSentBlocks(settings.stateDirectory, id)
  }
  return started
}

/**
 * Starts a snapshot that is there. The token of one that failed or was deleted only gives that one back, so those that are
 * known to be gone are part of the next token.
 */
async function startAnew(
  settings: AwsSettings,
  clients: RegionClients,
  artifact: Artifact,
  key: ImageKey,
  gone: readonly string[],
  ctx: Context,
): Promise<Begun> {
  const marks = imageMarks(key, artifact)
  const sizeGiB = Math.ceil(artifact.virtualBytes / GiB)
  const token = clientToken(key.region, JSON.stringify(marks), String(sizeGiB), ...gone)
  const request = new StartSnapshotCommand({
    VolumeSize: sizeGiB,
    ClientToken: token,
    Timeout: abandonedMinutes,
    Description: `${amiName(key)}, made by the image factory`,
    Tags: tagsOf(marks, amiName(key), settings.configuration.tags),
  })
  const what = 'starting a snapshot'
  const id = await callAgain(what, key.region, ctx, async (options) =>
    answered((await clients.ebs.send(request, options)).SnapshotId, what, key.region),
  )
  const seen = () => snapshotById(clients, id, ctx)
  const snapshot = await until(id, visibleLimitMs, ctx, seen).catch((error: unknown) => {
    if (asFactoryError(error).code !== 'aws-too-slow' || gone.length > 3) throw error
    return undefined
  })
  if (snapshot?.State === 'completed' || snapshot?.State === 'pending') return begun(snapshot, ctx)
  await forgetSentBlocks(settings.stateDirectory, id)
  return await startAnew(settings, clients, artifact, key, [...gone, id], ctx)
}

function begun({ SnapshotId, State, StartTime }: Snapshot, ctx: Context): Begun {
  const state = State === 'completed' ? 'completed' : 'pending'
  return { id: SnapshotId!, state, startedAt: StartTime?.getTime() ?? ctx.now() }
}

async function fill(
  settings: AwsSettings,
  clients: RegionClients,
  artifact: Artifact,
  { id, startedAt }: Begun,
  ctx: Context,
): Promise<void> {
  await using sent = await openSentBlocks(settings.stateDirectory, id)
  const target = { clients, snapshotId: id, startedAt, pace: createPace(mostSockets) }
  const content = await sendBlocks(target, artifact, sent, ctx)
  await complete(clients, id, content, ctx)
}

/** Closing a snapshot twice is refused, which after a lost answer is as good as done; only, it may still show as pending. */
async function complete(
  clients: RegionClients,
  id: string,
  { blocks, checksum }: SentContent,
  ctx: Context,
): Promise<void> {
  const request = new CompleteSnapshotCommand({
    SnapshotId: id,
    ChangedBlocksCount: blocks,
    Checksum: checksum,
    ChecksumAlgorithm: 'SHA256',
    ChecksumAggregationMethod: 'LINEAR',
  })
  try {
    await callAgain(`completing ${id}`, clients.region, ctx, (options) => clients.ebs.send(request, options))
  } catch (error) {
    if (asFactoryError(error).class !== 'user') throw error
    const closed = async () => (await snapshotById(clients, id, ctx))?.State === 'completed' || undefined
    await until(id, alreadyClosedLimitMs, ctx, closed).catch(() => Promise.reject(error))
  }
}

/** The name of what failed stays visible: a snapshot in error says nothing more than that. */
export async function waitUntilCompleted(clients: RegionClients, id: string, ctx: Context): Promise<void> {
  ctx.emit({ message: `waiting for ${id} to complete` })
  const startedAt = ctx.now()
  await until(id, completedLimitMs, ctx, async () => {
    const snapshot = await snapshotById(clients, id, ctx)
    if (snapshot?.State === 'completed') return true
    const gone = snapshot === undefined && ctx.now() - startedAt > visibleLimitMs
    if (!gone && snapshot?.State !== 'error') return undefined
    throw new FactoryError({
      code: 'aws-snapshot-failed',
      message: `the snapshot ${id} in ${clients.region} ended in ${snapshot?.State ?? 'nothing'}: ${snapshot?.StateMessage ?? 'AWS says no more'}`,
      hint: 'Run the same command again: it is sent once more.',
      class: 'infra',
    })
  })
}
