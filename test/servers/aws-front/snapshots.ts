import type { Operation } from './call.ts'
import { describe } from './describe.ts'
import type { View } from './describe.ts'
import { endOfDryRun } from './dry-run.ts'
import { Refusal } from './refusal.ts'
import type { World } from './world.ts'
import { ec2Answer, items, tagsIn, text } from './xml.ts'
import type { Node } from './xml.ts'

/** A snapshot whose blocks came through EBS direct, an import or the copy of an image. */
export interface SnapshotRecord {
  readonly id: string
  readonly region: string
  readonly volumeGiB: number
  /** `open` takes blocks; `sealed` is pending until it was described often enough. */
  phase: 'open' | 'sealed' | 'completed' | 'error'
  /** Why it is in error. */
  message?: string
  /** What a sealed one becomes. */
  outcome: 'completed' | 'error'
  pollsLeft: number
  /** SHA-256 of each block that was put, by index. */
  readonly digests: Map<number, Buffer>
  /** The snapshot that has the blocks, in its region; a copy's are the source's. */
  readonly blocksIn: { region: string; id: string }
  readonly timeoutMinutes: number
  lastWriteAt: number
}

/** Takes no more blocks; what becomes of it shows when it was described often enough. */
export function seal(world: World, record: SnapshotRecord, wrong?: string): void {
  record.outcome = wrong === undefined ? 'completed' : 'error'
  if (wrong !== undefined) record.message = wrong
  record.pollsLeft = world.settings.polls.snapshot
  record.phase = record.pollsLeft > 0 ? 'sealed' : record.outcome
}

/** The snapshot, after it has been given up if nobody wrote to it for its Timeout. */
export function snapshotNamed(world: World, region: string, id: string): SnapshotRecord | undefined {
  const record = world.snapshots.get(id)
  if (record?.region !== region) return undefined
  const limitMs = record.timeoutMinutes * world.settings.minuteMs
  if (record.phase === 'open' && Date.now() - record.lastWriteAt > limitMs) {
    record.phase = 'error'
    record.message = 'The snapshot was cancelled because it was not completed within its timeout'
  }
  return record
}

const hiddenDescription = /^Auto-created snapshot for AMI /

const view: View = {
  action: 'DescribeSnapshots',
  set: 'snapshotSet',
  idParameter: 'SnapshotId',
  kind: 'snapshot',
  pageLimits: [5, 1000],
  notFound: noSuchSnapshot,
  idOf: (item) => text(item, 'snapshotId') ?? '',
  filters: {
    description: 'description',
    encrypted: 'encrypted',
    'owner-id': 'ownerId',
    progress: 'progress',
    'snapshot-id': 'snapshotId',
    'start-time': 'startTime',
    status: 'status',
    'volume-id': 'volumeId',
    'volume-size': 'volumeSize',
  },
  async list(call, world) {
    const answer = await world.upstream.ec2(call.region, 'DescribeSnapshots')
    const shown = items(answer['snapshotSet'])
    // moto makes one for each image, besides those that the image was registered from.
    return shown.filter((item) => !hiddenDescription.test(text(item, 'description') ?? ''))
  },
  complete: (item, world, call) => complete(item, snapshotNamed(world, call.region, view.idOf(item))),
  selects(item, call, world) {
    const owners = Object.entries(call.parameters).filter(([key]) => /^Owner\.\d+$/.test(key))
    const ids = owners.map(([, value]) => (value === 'self' ? world.account : value))
    return ids.length === 0 || ids.includes(text(item, 'ownerId') ?? '')
  },
  seen(item, world) {
    const record = world.snapshots.get(view.idOf(item))
    if (record?.phase !== 'sealed') return
    record.pollsLeft -= 1
    if (record.pollsLeft <= 0) record.phase = record.outcome
  },
}

export const describeSnapshots: Operation = (call, world) => describe(call, world, view)

/** Refuses a snapshot that an image is made of, which moto knows nothing of. */
export const deleteSnapshot: Operation = async (call, world) => {
  const id = call.parameters['SnapshotId'] ?? ''
  await needSnapshot(world, call.region, id)
  const user = [...world.images.values()].find(
    (image) => image.region === call.region && image.snapshotIds.includes(id),
  )
  if (user)
    throw new Refusal({
      code: 'InvalidSnapshot.InUse',
      message: `The snapshot ${id} is currently in use by ${user.id}`,
    })
  endOfDryRun(call)
  await world.upstream.ec2(call.region, 'DeleteSnapshot', { SnapshotId: id })
  world.snapshots.delete(id)
  return ec2Answer('DeleteSnapshot', { return: 'true' })
}

/** The snapshot as EC2 shows it; refuses when there is none. */
export async function needSnapshot(world: World, region: string, id: string): Promise<Node> {
  const answer = await world.upstream
    .ec2(region, 'DescribeSnapshots', { 'SnapshotId.1': id })
    .catch((error: unknown) => {
      throw error instanceof Refusal && error.code === 'InvalidSnapshot.NotFound' ? noSuchSnapshot(id) : error
    })
  const [item] = items(answer['snapshotSet'])
  if (!item) throw noSuchSnapshot(id)
  return complete(item, snapshotNamed(world, region, id))
}

export function noSuchSnapshot(id: string): Refusal {
  return new Refusal({ code: 'InvalidSnapshot.NotFound', message: `The snapshot '${id}' does not exist.` })
}

function complete(item: Node, record: SnapshotRecord | undefined): Node {
  const tags = tagsIn(item)
  const own = {
    ...item,
    storageTier: 'standard',
    tagSet: { item: Object.entries(tags).map(([key, value]) => ({ key, value })) },
  }
  if (!record) return own
  const { phase, message } = record
  return {
    ...own,
    description: text(own, 'description') === 'None' ? '' : text(own, 'description'),
    // EBS direct makes a snapshot of no volume.
    volumeId: 'vol-ffffffff',
    status: phase === 'completed' || phase === 'error' ? phase : 'pending',
    progress: phase === 'completed' ? '100%' : phase === 'sealed' ? '50%' : '0%',
    ...(message === undefined ? {} : { statusMessage: message }),
  }
}
