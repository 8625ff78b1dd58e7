import { randomBytes } from 'node:crypto'
import type { Call, Reply } from './operation.ts'
import { Refused } from './refusal.ts'
import type { World } from './world.ts'

/** One page of a listing; the link to the next leads to the real service, where no test gets. */
export function page(key: string, path: string, all: readonly object[], call: Call, world: World): Reply {
  const limit = Number(call.query.get('limit') ?? '50')
  if (!Number.isInteger(limit) || limit < 1 || limit > 100)
    throw new Refused(400, 'validation_failed', 'limit must be from 1 to 100')
  const list = `${call.region} ${path} ${filtersOf(call.query)}`
  const start = call.query.get('start')
  const known = start === null ? { list, after: 0 } : world.pages.get(start)
  if (!known || known.list !== list)
    throw new Refused(400, 'bad_field', 'start: this is no token of this listing')
  const shown = all.slice(known.after, known.after + Math.min(limit, world.settings.pageSize))
  const after = known.after + shown.length
  const address = `https://${call.region}.iaas.cloud.ibm.com/v1${path}`
  const body = { first: { href: `${address}?limit=${limit}` }, limit, total_count: all.length, [key]: shown }
  if (after >= all.length) return { status: 200, body }
  const token = randomBytes(12).toString('base64url')
  world.pages.set(token, { list, after })
  return { status: 200, body: { ...body, next: { href: `${address}?limit=${limit}&start=${token}` } } }
}

function filtersOf(query: URLSearchParams): string {
  return [...query]
    .filter(([name]) => name !== 'start')
    .map(([name, value]) => `${name}=${value}`)
    .toSorted()
    .join('&')
}
