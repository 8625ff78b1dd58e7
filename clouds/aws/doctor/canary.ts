import { createHash, randomBytes } from 'node:crypto'
import { CompleteSnapshotCommand, PutSnapshotBlockCommand, StartSnapshotCommand } from '@aws-sdk/client-ebs'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import type { RegionClients } from '../clients.ts'
import type { AwsSettings } from '../settings.ts'
import { deleteSnapshot, snapshotById } from '../images/snapshots.ts'
import { leaseMarks, tagsOf } from '../tags.ts'
import { until } from '../wait.ts'
import { nothing, registerDryRun, snapshotDryRuns } from './dry-runs.ts'
import { type Probe, type Signal, tryRight } from './signals.ts'

const blockBytes = 524_288
const completeLimitMs = 60_000
const removeLimitMs = 30_000
/** The shortest time after which EBS gives up a snapshot that nobody completes, in minutes. */
const giveUpMinutes = 10

export interface Canary {
  signals: Signal[]
  /** What could not be removed, and what becomes of it. */
  left?: string
}

/**
 * EBS direct has no dry run, so it is tried with one block of zeros: a thousandth of a cent at most. The snapshot bears an
 * end like a lease, so that a reaper takes it when the doctor is killed, and is completed only when it can be deleted:
 * otherwise EBS itself gives it up. With it the rights on snapshots are asked about something real.
 */
export async function sendCanary(settings: AwsSettings, account: string, ctx: Context): Promise<Canary> {
  const { region, rootDevice } = settings.configuration
  const clients = settings.clients(region)
  const attempt = (probe: Probe) => tryRight(probe, region, ctx)
  const instead = [
    ...snapshotDryRuns(clients, nothing.snapshot, account),
    registerDryRun(clients, nothing.snapshot, rootDevice),
  ]
  if (settings.configuration.method === 's3')
    return { signals: (await Promise.all(instead.map(attempt))).flat() }
  let id: string | undefined
  const signals = await attempt({
    action: 'ebs:StartSnapshot',
    by: 'call',
    send: async (options) => {
      id = (await clients.ebs.send(new StartSnapshotCommand(canaryRequest(settings, ctx)), options))
        .SnapshotId
    },
  })
  if (id === undefined) {
    for (const probe of instead) signals.push(...(await attempt(probe)))
    return { signals }
  }
  const SnapshotId = id
  signals.push(
    ...(await attempt({
      action: 'ebs:PutSnapshotBlock',
      by: 'call',
      send: (o) => clients.ebs.send(new PutSnapshotBlockCommand(zeros(SnapshotId)), o),
    })),
  )
  for (const probe of snapshotDryRuns(clients, id, account)) signals.push(...(await attempt(probe)))
  const is = (action: string) =>
    signals.some((signal) => signal.action === action && signal.verdict === 'granted')
  if (!is('ec2:DeleteSnapshot')) {
    signals.push(...(await attempt(registerDryRun(clients, nothing.snapshot, rootDevice))))
    return {
      signals,
      left: `the snapshot ${id} in ${region}, which EBS itself gives up after ${giveUpMinutes} minutes`,
    }
  }
  const ChangedBlocksCount = is('ebs:PutSnapshotBlock') ? 1 : 0
  const complete = new CompleteSnapshotCommand({ SnapshotId, ChangedBlocksCount })
  signals.push(
    ...(await attempt({
      action: 'ebs:CompleteSnapshot',
      by: 'call',
      send: (o) => clients.ebs.send(complete, o),
    })),
  )
  let left: string | undefined
  try {
    if (is('ebs:CompleteSnapshot')) await completed(settings, id, ctx)
    signals.push(...(await attempt(registerDryRun(clients, id, rootDevice))))
  } finally {
    left = await remove(clients, id, ctx)
  }
  return left === undefined ? { signals } : { signals, left }
}

/** Also after Ctrl-C. */
async function remove(clients: RegionClients, id: string, ctx: Context): Promise<string | undefined> {
  try {
    await deleteSnapshot(clients, id, { ...ctx, signal: AbortSignal.timeout(removeLimitMs) })
    return undefined
  } catch (error) {
    return `the snapshot ${id} in ${clients.region}, which factory reap removes later: ${asFactoryError(error).message}`
  }
}

/** A snapshot that is still on its way can be no image's. */
async function completed(settings: AwsSettings, id: string, ctx: Context): Promise<void> {
  const { region } = settings.configuration
  await until(`the canary ${id} in ${region}`, completeLimitMs, ctx, async () => {
    const snapshot = await snapshotById(settings.clients(region), id, ctx)
    return snapshot?.State === 'pending' ? undefined : true
  }).catch(() => ctx.signal.throwIfAborted())
}

function canaryRequest({ owner, configuration }: AwsSettings, ctx: Context) {
  const id = `doctor-${randomBytes(5).toString('hex')}`
  const expires = new Date(ctx.now() + 2 * giveUpMinutes * 60_000).toISOString()
  const marks = leaseMarks({ id, owner, release: 'doctor', arch: 'x86_64', expires })
  return {
    VolumeSize: 1,
    Timeout: giveUpMinutes,
    ClientToken: id,
    Description: 'factory doctor: whether images can be sent',
    Tags: tagsOf(marks, id, configuration.tags),
  }
}

function zeros(SnapshotId: string) {
  const BlockData = new Uint8Array(blockBytes)
  const Checksum = createHash('sha256').update(BlockData).digest('base64')
  return {
    SnapshotId,
    BlockIndex: 0,
    BlockData,
    DataLength: blockBytes,
    Checksum,
    ChecksumAlgorithm: 'SHA256' as const,
  }
}
