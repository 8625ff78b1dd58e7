import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { type Answer, type Call, Refusal } from './request.ts'
import { imageOf } from './server-request.ts'
import { bodyOf, metadata, name, needQuery, needVersion, notFound, page, uuid } from './shapes.ts'
import type { VolumeRecord, World } from './world.ts'

/** cinder/api/schemas/volumes.py, as far as we use it. */
const request = z.strictObject({
  volume: z.strictObject({
    name,
    size: z.int().min(1),
    volume_type: name.optional(),
    availability_zone: name.optional(),
    imageRef: uuid.optional(),
    metadata: metadata.optional(),
  }),
})
const gibibyte = 1024 ** 3

/** What we call of Cinder. */
export async function volume(call: Call, world: World): Promise<Answer> {
  needVersion(call, 'volume', 0, 71, 3)
  const { method, path } = call
  const [, first, second, third] = path.split('/')
  if (first === 'volumes') {
    if (method === 'POST' && second === undefined) return await create(call, world)
    if (method === 'GET' && second === 'detail') return list(call, world)
    if (method === 'GET' && second && !third) return show(call, world, second)
    if (method === 'DELETE' && second && !third) return remove(call, world, second)
    if (method === 'POST' && second && third === 'metadata') return setMetadata(call, world, second)
  }
  if (method === 'GET' && path === '/types') {
    needQuery(call, ['limit', 'marker'])
    return page(call, 'volume_types', world.volumeTypes, world.settings.pageSize, (type) => type)
  }
  if (method === 'GET' && path === '/limits') {
    const own = ownVolumes(call, world)
    const absolute = {
      maxTotalVolumes: world.settings.quotas.volumes,
      totalVolumesUsed: own.length,
      maxTotalVolumeGigabytes: world.settings.quotas.gigabytes,
      totalGigabytesUsed: own.reduce((sum, { sizeGib }) => sum + sizeGib, 0),
    }
    return { status: 200, json: { limits: { rate: [], absolute } } }
  }
  return notFound(`the double has no ${method} ${path}`)
}

async function create(call: Call, world: World): Promise<Answer> {
  const { volume: asked } = bodyOf(call, request)
  const { volume_type: type = 'ceph', availability_zone: zone = 'nova', imageRef } = asked
  if (!world.volumeTypes.some((each) => each.name === type || each.id === type)) {
    throw new Refusal(404, `Volume type with name ${type} could not be found.`)
  }
  if (!world.zones.includes(zone)) throw new Refusal(400, `Availability zone '${zone}' is invalid.`)
  if (imageRef !== undefined) {
    const image = await imageOf(call, imageRef, world)
    if (image.status !== 'active')
      throw new Refusal(400, `Invalid image identifier or unable to access requested image.`)
    if (Math.max(image.min_disk, image.size / gibibyte) > asked.size) {
      throw new Refusal(
        400,
        `Invalid input received: Size of specified image ${Math.ceil(image.size / gibibyte)}GB is larger than volume size ${asked.size}GB.`,
      )
    }
  }
  needQuota(call, asked.size, world)
  const record: VolumeRecord = {
    id: randomUUID(),
    projectId: call.projectId,
    name: asked.name,
    sizeGib: asked.size,
    zone,
    type,
    imageId: imageRef,
    created: new Date().toISOString().replace('Z', ''),
    metadata: { ...asked.metadata },
    status: 'creating',
    pollsLeft: world.settings.polls.volume,
    serverId: undefined,
  }
  world.volumes.set(record.id, record)
  return { status: 202, json: { volume: view(record) } }
}

function list(call: Call, world: World): Answer {
  needQuery(call, ['limit', 'marker', 'name'])
  const wanted = call.query.get('name')
  const own = ownVolumes(call, world).filter((each) => wanted === null || each.name === wanted)
  return page(call, 'volumes', own, world.settings.pageSize, (each) => view(pass(world, each) ?? each))
}

function show(call: Call, world: World, id: string): Answer {
  const found = pass(world, need(call, world, id))
  return found ? { status: 200, json: { volume: view(found) } } : notFound(`Volume ${id} could not be found.`)
}

function remove(call: Call, world: World, id: string): Answer {
  const found = need(call, world, id)
  if (found.status !== 'available' && found.status !== 'error') {
    throw new Refusal(
      400,
      `Invalid volume: Volume status must be available or error or error_restoring or error_extending or error_managing and must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be disassociated from snapshots after volume transfer.`,
    )
  }
  found.status = 'deleting'
  found.pollsLeft = world.settings.polls.volume
  return { status: 202 }
}

function setMetadata(call: Call, world: World, id: string): Answer {
  const found = need(call, world, id)
  Object.assign(found.metadata, bodyOf(call, z.strictObject({ metadata })).metadata)
  return { status: 200, json: { metadata: found.metadata } }
}

function need(call: Call, world: World, id: string): VolumeRecord {
  return (
    ownVolumes(call, world).find((each) => each.id === id) ?? notFound(`Volume ${id} could not be found.`)
  )
}

function ownVolumes({ projectId }: Call, world: World): VolumeRecord[] {
  return [...world.volumes.values()].filter((each) => each.projectId === projectId)
}

/** One look goes by; undefined when the volume is gone by now. */
function pass(world: World, found: VolumeRecord): VolumeRecord | undefined {
  if (found.status !== 'creating' && found.status !== 'deleting') return found
  if (found.pollsLeft > 0) {
    found.pollsLeft -= 1
    return found
  }
  if (found.status === 'deleting') {
    if (world.settings.isVolumeStuck) {
      found.status = 'error_deleting'
      return found
    }
    world.volumes.delete(found.id)
    return undefined
  }
  found.status = world.settings.isVolumeBroken ? 'error' : 'available'
  return found
}

function needQuota(call: Call, sizeGib: number, world: World): void {
  const own = ownVolumes(call, world)
  const used = own.reduce((sum, each) => sum + each.sizeGib, 0)
  const { volumes, gigabytes } = world.settings.quotas
  if (own.length >= volumes) {
    throw new Refusal(
      413,
      `VolumeLimitExceeded: Maximum number of volumes allowed (${volumes}) exceeded for quota 'volumes'.`,
    )
  }
  if (used + sizeGib > gigabytes) {
    throw new Refusal(
      413,
      `VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested ${sizeGib}G, quota is ${gigabytes}G and ${used}G has been consumed.`,
    )
  }
}

function view(found: VolumeRecord): object {
  const { id, name: own, sizeGib, zone, type, created, metadata: words, status, serverId, imageId } = found
  return {
    id,
    name: own,
    size: sizeGib,
    status,
    availability_zone: zone,
    volume_type: type,
    created_at: created,
    metadata: words,
    ...(imageId === undefined ? {} : { volume_image_metadata: { image_id: imageId } }),
    bootable: imageId === undefined ? 'false' : 'true',
    attachments: serverId === undefined ? [] : [{ server_id: serverId, volume_id: id, device: '/dev/vdb' }],
  }
}
