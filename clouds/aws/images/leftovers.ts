import type { Image as Ami, Snapshot } from '@aws-sdk/client-ec2'
import type { Resource } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { amiById, amisOn, amisWith, snapshotsOf } from './amis.ts'
import type { RegionClients } from '../clients.ts'
import { readyMark } from './image-marks.ts'
import { removeImage } from './remove.ts'
import { forgetSentBlocks } from './sent-blocks.ts'
import type { AwsSettings } from '../settings.ts'
import { deleteSnapshot, snapshotById, snapshotsWith, tagSnapshot } from './snapshots.ts'
import { marksOf, tagsOf } from '../tags.ts'

/**
 * After this nobody works on a publish any more: the engine gives one two hours, and one more is for clocks that differ
 * and for a machine that slept meanwhile.
 */
const publishingMs = 3 * 3_600_000

/** Images that never became ready, and snapshots that no image of ours stands on. */
export async function* findLeftovers(
  clients: RegionClients,
  owner: string,
  ctx: Context,
): AsyncIterable<Resource> {
  // Snapshots first: one whose image is registered meanwhile is then seen to be used.
  const snapshots = await snapshotsWith(clients, { owner }, ctx)
  const amis = await amisWith(clients, { owner }, ctx)
  const used = new Set(amis.flatMap(snapshotsOf))
  for (const ami of amis) {
    if (marksOf(ami.Tags)[readyMark] === undefined) yield halfMade(ami, clients.region)
  }
  for (const snapshot of snapshots) {
    const { sha256 } = marksOf(snapshot.Tags)
    if (sha256 !== undefined && !used.has(snapshot.SnapshotId!)) yield unused(snapshot, clients.region)
  }
}

/** Removes a leftover, unless it has become, or come to be used by, an image meanwhile. */
export async function discardLeftover(
  settings: AwsSettings,
  { id, region, owner }: Resource,
  ctx: Context,
): Promise<void> {
  const clients = settings.clients(region)
  if (id.startsWith('ami-')) {
    const ami = await amiById(clients, id, ctx)
    if (ami && marksOf(ami.Tags)[readyMark] === undefined) await removeImage(settings, region, id, ctx)
    return
  }
  if ((await amisOn(clients, id, ctx)).length > 0) return
  const snapshot = await snapshotById(clients, id, ctx)
  // The factory may have the right to delete what bears its mark and nothing else; an import's snapshot has none at first.
  if (snapshot && owner !== undefined && marksOf(snapshot.Tags)['owner'] === undefined)
    await tagSnapshot(clients, id, tagsOf({ owner }, id, {}), ctx)
  const outcome = await deleteSnapshot(clients, id, ctx)
  if (outcome === 'deleted') await forgetSentBlocks(settings.stateDirectory, id)
}

/** When surely nobody works on something any more at which somebody worked at that time. */
export function endOf(since: Date | undefined): Pick<Resource, 'expires'> {
  return since === undefined ? {} : { expires: new Date(since.getTime() + publishingMs).toISOString() }
}

function halfMade({ ImageId, CreationDate, State, Tags }: Ami, region: string): Resource {
  return leftover(
    ImageId!,
    region,
    Tags,
    CreationDate === undefined ? undefined : new Date(CreationDate),
    State,
  )
}

function unused({ SnapshotId, StartTime, State, Tags }: Snapshot, region: string): Resource {
  return leftover(SnapshotId!, region, Tags, StartTime, State)
}

function leftover(
  id: string,
  region: string,
  tags: Ami['Tags'],
  since: Date | undefined,
  state: string | undefined,
): Resource {
  const { owner, release, arch } = marksOf(tags)
  return {
    kind: 'image',
    id,
    region,
    ...(owner === undefined ? {} : { owner }),
    ...(release === undefined ? {} : { release }),
    ...(arch === undefined ? {} : { arch }),
    ...(state === undefined ? {} : { state }),
    ...endOf(since),
  }
}
