import type { Operation } from './operation.ts'
import { page } from './pages.ts'
import { Refused } from './refusal.ts'
import type { VolumeRecord, World } from './world.ts'

/** Each listing brings deletions nearer to their end: of volumes nothing else is ever asked. */
const list: Operation = {
  action: 'ListVolumes',
  method: 'GET',
  path: /^\/volumes$/,
  query: ['limit', 'start', 'name', 'attachment_state', 'zone.name'],
  run(call, world) {
    if (call.query.get('start') === null) for (const volume of world.volumes.values()) oneStep(world, volume)
    const wanted = [...world.volumes.values()].filter(({ region }) => region === call.region)
    return page(
      'volumes',
      '/volumes',
      wanted.map((each) => shown(each, world)),
      call,
      world,
    )
  },
}

const remove: Operation = {
  action: 'DeleteVolume',
  method: 'DELETE',
  path: /^\/volumes\/([^/]+)$/,
  run({ words, region }, world) {
    const volume = world.volumes.get(words[0]!)
    if (volume?.region !== region) throw new Refused(404, 'volume_not_found', 'Volume not found.')
    const isFree = volume.attachment === undefined && volume.deleting === undefined
    if (!isFree || volume.status === 'pending')
      throw new Refused(409, 'volume_status_conflict', 'Only an available or failed volume can be deleted.')
    volume.deleting = world.settings.polls.deletion
    return { status: 204 }
  },
}

export const volumeOperations = [list, remove]

function oneStep(world: World, volume: VolumeRecord): void {
  if (volume.deleting === undefined) return
  if (volume.deleting <= 0) {
    world.volumes.delete(volume.id)
    world.tags.delete(volume.crn)
  }
  volume.deleting -= 1
}

function shown(volume: VolumeRecord, world: World): object {
  const { id, crn, href, name, created_at, status, capacity, profile, zone, attachment, deleting } = volume
  return {
    id,
    crn,
    href,
    name,
    created_at,
    capacity,
    profile: { name: profile },
    zone: { name: zone },
    status: deleting === undefined ? status : 'pending_deletion',
    status_reasons: [],
    attachment_state: attachment === undefined ? 'unattached' : 'attached',
    user_tags: [...(world.tags.get(crn)?.tags ?? [])],
    volume_attachments: attachment === undefined ? [] : [{ id: attachment.id, name: attachment.name }],
  }
}
