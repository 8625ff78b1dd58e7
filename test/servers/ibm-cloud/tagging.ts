import { z } from 'zod'
import { type Operation, bodyOf } from './operation.ts'
import { Refused } from './refusal.ts'
import type { World } from './world.ts'

/** https://cloud.ibm.com/docs/account?topic=account-tag */
const tagRule = z
  .string()
  .max(128)
  .regex(/^[A-Za-z0-9 _.-]+(:[A-Za-z0-9 _.-]+)?$/)

const attach: Operation = {
  action: 'AttachTag',
  method: 'POST',
  path: /^\/tags\/attach$/,
  query: ['tag_type', 'update', 'replace'],
  run(call, world) {
    needUserTags(call.query)
    const schema = z.strictObject({
      resources: z
        .array(z.strictObject({ resource_id: z.string() }))
        .min(1)
        .max(100),
      tag_names: z.array(tagRule).min(1).max(100),
    })
    const { resources, tag_names: names } = bodyOf(schema, call)
    const isUpdate = call.query.get('update') === 'true'
    const results = resources.map(({ resource_id: crn }) => attachTo(world, crn, names, isUpdate))
    return { status: 200, body: { results } }
  },
}

const list: Operation = {
  action: 'ListTags',
  method: 'GET',
  path: /^\/tags$/,
  query: ['tag_type', 'providers', 'attached_to', 'limit', 'offset'],
  run({ query }, world) {
    needUserTags(query)
    if (query.get('providers') !== 'ghost')
      throw new Refused(400, 'bad_request', 'attached_to needs the provider of the resource')
    const known = world.tags.get(query.get('attached_to') ?? '')
    const limit = Number(query.get('limit') ?? '100')
    const offset = Number(query.get('offset') ?? '0')
    if (limit < 1 || limit > 1000) throw new Refused(400, 'bad_request', 'limit must be from 1 to 1000')
    if (known && known.hidden > 0) known.hidden -= 1
    else if (known) known.shown = new Set(known.tags)
    const all = [...(known?.shown ?? [])].toSorted()
    const items = all.slice(offset, offset + limit).map((name) => ({ name }))
    return { status: 200, body: { total_count: all.length, offset, limit, items } }
  },
}

const remove: Operation = {
  action: 'DeleteTag',
  method: 'DELETE',
  path: /^\/tags\/([^/]+)$/,
  query: ['tag_type', 'providers'],
  run({ words, query }, world) {
    needUserTags(query)
    const name = decodeURIComponent(words[0]!)
    if (!world.tagNames.has(name)) throw new Refused(404, 'not_found', `there is no tag ${name}`)
    if ([...world.tags.values()].some(({ tags }) => tags.has(name)))
      throw new Refused(400, 'bad_request', `the tag ${name} is attached to a resource`)
    world.tagNames.delete(name)
    return { status: 200, body: { results: [{ provider: 'ghost', is_error: false }] } }
  },
}

export const taggingOperations = [attach, list, remove]

/** What was given when something was made, as volumes take it. */
export function tagAtOnce(world: World, crn: string, names: readonly string[]): void {
  const known = world.tags.get(crn)!
  for (const name of names) {
    const lower = tagRule.parse(name).toLowerCase()
    known.tags.add(lower)
    known.shown.add(lower)
    world.tagNames.add(lower)
  }
}

function attachTo(world: World, crn: string, names: readonly string[], isUpdate: boolean): object {
  const known = world.tags.get(crn)
  if (!known) return { resource_id: crn, is_error: true, message: 'the resource was not found' }
  if (known.refusals > 0) {
    known.refusals -= 1
    return { resource_id: crn, is_error: true, message: 'the resource is not indexed yet' }
  }
  for (const name of names) {
    const lower = name.toLowerCase()
    const [key, value] = lower.split(':')
    if (isUpdate && value !== undefined)
      for (const other of known.tags) if (other.startsWith(`${key}:`)) known.tags.delete(other)
    known.tags.add(lower)
    world.tagNames.add(lower)
  }
  known.hidden = world.settings.tagLag.read
  return { resource_id: crn, is_error: false }
}

function needUserTags(query: URLSearchParams): void {
  if (query.get('tag_type') !== 'user') throw new Refused(400, 'bad_request', 'tag_type is not user')
}
