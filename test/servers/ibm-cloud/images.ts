import { z } from 'zod'
import { importObject, needObject } from './import.ts'
import {
  type Operation,
  bodyOf,
  nameRule,
  needResourceGroup,
  needUnique,
  resourceGroup,
} from './operation.ts'
import { page } from './pages.ts'
import { Refused } from './refusal.ts'
import { type ImageRecord, type World, inventedName, newThing } from './world.ts'

const prototype = z.strictObject({
  name: nameRule.optional(),
  file: z.strictObject({ href: z.string() }),
  operating_system: z.strictObject({ name: z.string() }),
  resource_group: resourceGroup,
  deprecation_at: z.iso.datetime().optional(),
  obsolescence_at: z.iso.datetime().optional(),
})

/** https://cloud.ibm.com/apidocs/vpc#create-image */
const create: Operation = {
  action: 'CreateImage',
  method: 'POST',
  path: /^\/images$/,
  async run(call, world) {
    const { settings, images } = world
    const request = bodyOf(prototype, call)
    const { name = inventedName(), deprecation_at: deprecated, obsolescence_at: obsolete } = request
    const system = settings.operatingSystems.find((each) => each.name === request.operating_system.name)
    if (!system?.allow_user_image_creation)
      throw new Refused(400, 'validation_failed', `no images of users for ${request.operating_system.name}`)
    needResourceGroup(request.resource_group?.id, world)
    if (deprecated && obsolete && obsolete <= deprecated)
      throw new Refused(400, 'validation_failed', 'obsolescence_at must be after deprecation_at')
    const source = await needObject(world, request.file.href)
    needUnique(images.values(), name, call.region)
    const own = [...images.values()].filter(
      (each) => each.region === call.region && each.visibility === 'private',
    )
    if (own.length >= settings.quotas.images)
      throw new Refused(400, 'over_quota', 'The account has reached its quota of images.')
    const image: ImageRecord = {
      ...newThing(world, 'image', call.region, name, request.resource_group?.id),
      polls: settings.polls.image,
      status: 'pending',
      reasons: [{ code: 'image_request_queued', message: 'The request is queued.' }],
      visibility: 'private',
      operatingSystem: system.name,
      source,
      ...(deprecated === undefined ? {} : { deprecation_at: deprecated }),
      ...(obsolete === undefined ? {} : { obsolescence_at: obsolete }),
    }
    images.set(image.id, image)
    return { status: 201, body: shown(image, world) }
  },
}

const list: Operation = {
  action: 'ListImages',
  method: 'GET',
  path: /^\/images$/,
  query: ['limit', 'start', 'name', 'visibility', 'status', 'resource_group.id'],
  run(call, world) {
    const { query, region } = call
    const wanted = [...world.images.values()].filter(
      (image) =>
        image.region === region &&
        (query.get('name') ?? image.name) === image.name &&
        (query.get('visibility') ?? image.visibility) === image.visibility,
    )
    return page(
      'images',
      '/images',
      wanted.map((image) => shown(image, world)),
      call,
      world,
    )
  },
}

const get: Operation = {
  action: 'GetImage',
  method: 'GET',
  path: /^\/images\/([^/]+)$/,
  async run({ words, region }, world) {
    const image = needImage(world, region, words[0]!)
    await oneStep(world, image)
    return { status: 200, body: shown(needImage(world, region, image.id), world) }
  },
}

const date = z.iso.datetime().nullable().optional()

/** https://cloud.ibm.com/apidocs/vpc#update-image: a date that has come can be removed and not moved. */
const update: Operation = {
  action: 'UpdateImage',
  method: 'PATCH',
  path: /^\/images\/([^/]+)$/,
  run(call, world) {
    const image = needOwn(world, call.region, call.words[0]!)
    const change = bodyOf(z.strictObject({ deprecation_at: date, obsolescence_at: date }), call)
    for (const key of ['deprecation_at', 'obsolescence_at'] as const) {
      const at = change[key]
      if (at == null) continue
      if (Date.parse(at) <= Date.now()) throw refusedChange(`${key} must not be in the past`)
      if (hasCome(image[key])) throw refusedChange(`${key} cannot be changed any more`)
    }
    const dates = { ...image, ...change }
    const { deprecation_at: deprecated, obsolescence_at: obsolete } = dates
    if (deprecated && obsolete && obsolete <= deprecated)
      throw refusedChange('obsolescence_at must be after deprecation_at')
    for (const key of ['deprecation_at', 'obsolescence_at'] as const) {
      const at = dates[key]
      if (at == null) delete image[key]
      else image[key] = at
    }
    if (/^(available|deprecated|obsolete)$/.test(image.status)) image.status = 'available'
    return { status: 200, body: shown(image, world) }
  },
}

/** https://cloud.ibm.com/apidocs/vpc#deprecate-image */
const deprecate: Operation = {
  action: 'DeprecateImage',
  method: 'POST',
  path: /^\/images\/([^/]+)\/deprecate$/,
  run({ region, words }, world) {
    const image = needOwn(world, region, words[0]!)
    if (statusOf(image) !== 'available') throw refusedChange('The image must be available.')
    if (image.deprecation_at !== undefined) throw refusedChange('deprecation_at is set')
    image.deprecation_at = new Date().toISOString()
    return { status: 202 }
  },
}

/** Not while it is being imported: https://cloud.ibm.com/apidocs/vpc#delete-image */
const remove: Operation = {
  action: 'DeleteImage',
  method: 'DELETE',
  path: /^\/images\/([^/]+)$/,
  run({ words, region }, world) {
    const image = needOwn(world, region, words[0]!)
    const isBusy = image.reasons.some(({ code }) => code === 'image_request_in_progress')
    if (image.deleting !== undefined || isBusy)
      throw new Refused(409, 'image_in_use', 'The image is being imported or deleted.')
    image.deleting = world.settings.polls.deletion
    return { status: 202 }
  },
}

const operatingSystems: Operation = {
  action: 'ListOperatingSystems',
  method: 'GET',
  path: /^\/operating_systems$/,
  query: ['limit', 'start'],
  run(call, world) {
    return page('operating_systems', '/operating_systems', world.settings.operatingSystems, call, world)
  },
}

export const imageOperations = [create, list, get, update, deprecate, remove, operatingSystems]

export function needImage(world: World, region: string, id: string): ImageRecord {
  const image = world.images.get(id)
  if (image?.region === region) return image
  throw new Refused(404, 'image_not_found', `Image with ID (${id}) not found.`)
}

function needOwn(world: World, region: string, id: string): ImageRecord {
  const image = needImage(world, region, id)
  if (image.visibility === 'public') throw new Refused(403, 'not_authorized', 'The image is not yours.')
  return image
}

/** The codes of these refusals are not documented. */
function refusedChange(message: string): Refused {
  return new Refused(400, 'validation_failed', message)
}

/** A status that was not set by a test follows from the dates. */
function statusOf({ status, deprecation_at: deprecated, obsolescence_at: obsolete }: ImageRecord): string {
  if (status !== 'available') return status
  if (hasCome(obsolete)) return 'obsolete'
  return hasCome(deprecated) ? 'deprecated' : status
}

function hasCome(at: string | undefined): boolean {
  return at !== undefined && Date.parse(at) <= Date.now()
}

/** Each look at an image brings it nearer to its end. */
async function oneStep(world: World, image: ImageRecord): Promise<void> {
  if (image.deleting !== undefined) {
    if (image.deleting === 0) {
      world.images.delete(image.id)
      world.tags.delete(image.crn)
    }
    image.deleting -= 1
    return
  }
  if (image.status !== 'pending') return
  if (image.polls <= 0) return await importObject(world, image)
  image.polls -= 1
  image.reasons = [{ code: 'image_request_in_progress', message: 'The image is being imported.' }]
}

function shown(image: ImageRecord, { settings }: World): object {
  const { id, crn, href, name, created_at, reasons, visibility, sha256, minimumGb } = image
  const system = settings.operatingSystems.find((each) => each.name === image.operatingSystem)
  return {
    id,
    crn,
    href,
    name,
    created_at,
    resource_type: 'image',
    resource_group: { id: image.resource_group },
    visibility,
    status: image.deleting === undefined ? statusOf(image) : 'deleting',
    status_reasons: reasons,
    operating_system: system,
    encryption: 'none',
    file: sha256 === undefined ? {} : { checksums: { sha256 }, size: 1 },
    ...(minimumGb === undefined ? {} : { minimum_provisioned_size: minimumGb }),
    ...(image.deprecation_at === undefined ? {} : { deprecation_at: image.deprecation_at }),
    ...(image.obsolescence_at === undefined ? {} : { obsolescence_at: image.obsolescence_at }),
  }
}
