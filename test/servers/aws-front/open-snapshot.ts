import { done } from './rest.ts'
import type { SnapshotRecord } from './snapshots.ts'
import { born } from './world.ts'
import type { World } from './world.ts'
import { items, text } from './xml.ts'

/** A snapshot in the emulator, from the body of a StartSnapshot. moto makes a volume for it, which nobody asked for. */
export async function startUpstream(
  world: World,
  region: string,
  body: Buffer | string,
): Promise<{ SnapshotId: string; [name: string]: unknown }> {
  const headers = { 'content-type': 'application/json' }
  const answer = done(await world.upstream.ask({ service: 'ebs', region, path: '/snapshots', headers, body }))
  const said = JSON.parse(String(answer.body)) as { SnapshotId: string }
  const shown = await world.upstream.ec2(region, 'DescribeSnapshots', { 'SnapshotId.1': said.SnapshotId })
  const volume = text(items(shown['snapshotSet'])[0], 'volumeId')
  if (volume !== undefined) await world.upstream.ec2(region, 'DeleteVolume', { VolumeId: volume })
  return said
}

/** From now on it takes blocks. */
export function openSnapshot(
  world: World,
  region: string,
  id: string,
  volumeGiB: number,
  timeoutMinutes: number,
): SnapshotRecord {
  const record: SnapshotRecord = {
    id,
    region,
    volumeGiB,
    phase: 'open',
    outcome: 'completed',
    pollsLeft: 0,
    digests: new Map(),
    blocksIn: { region, id },
    timeoutMinutes,
    lastWriteAt: Date.now(),
  }
  world.snapshots.set(id, record)
  born(world, 'snapshot', id)
  return record
}
