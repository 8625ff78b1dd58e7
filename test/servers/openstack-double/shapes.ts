import { z } from 'zod'
import { type Answer, type Call, Refusal } from './request.ts'

export const uuid = z.string().regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/)
/** Nova's parameter_types.name: printable, no white space around it. */
export const name = z.string().regex(/^(?!\s).{1,255}(?<!\s)$/u)
export const metadata = z.record(z.string().regex(/^[A-Za-z0-9-_:. ]{1,255}$/), z.string().max(255))

/** The body of a request; what does not fit is refused as the service's own schema would. */
export function bodyOf<T extends z.ZodType>({ json }: Call, shape: T): z.infer<T> {
  const read = shape.safeParse(json)
  if (read.success) return read.data
  const [issue] = read.error.issues
  throw new Refusal(400, `Invalid input for field/attribute ${issue?.path.join('.')}. ${issue?.message}`)
}

/** Microversions are given in one way: https://docs.openstack.org/api-guide/compute/microversions.html */
export function needVersion(
  { headers }: Call,
  service: string,
  least: number,
  most: number,
  major: number,
): number {
  const header = String(headers['openstack-api-version'] ?? '')
  const [, own, first, second] = /^(\w+) (\d+)\.(\d+)$/.exec(header) ?? []
  if (own !== service || Number(first) !== major) {
    throw new Refusal(400, `the double wants a pinned microversion, and got "${header}"`)
  }
  const minor = Number(second)
  if (minor < least || minor > most) {
    throw new Refusal(
      406,
      `Version ${major}.${minor} is not supported by the API. Minimum is ${major}.${least} and maximum is ${major}.${most}.`,
    )
  }
  return minor
}

/** Only these words may stand in the query: services ignore others, and so hide mistakes. */
export function needQuery({ query }: Call, known: readonly string[]): void {
  const unknown = [...query.keys()].find((key) => !known.includes(key))
  if (unknown !== undefined) throw new Refusal(400, `the double knows no query parameter ${unknown}`)
}

/** A page of a listing, with a link to the next one that points to a wrong host, as behind many a proxy. */
export function page<T extends { id: string }>(
  { query }: Call,
  collection: string,
  all: readonly T[],
  pageSize: number,
  view: (item: T) => unknown,
): Answer {
  const marker = query.get('marker')
  const start = marker === null ? 0 : all.findIndex(({ id }) => id === marker) + 1
  if (marker !== null && start === 0) throw new Refusal(400, `marker [${marker}] not found`)
  const asked = Number(query.get('limit') ?? Number.POSITIVE_INFINITY)
  if (Number.isNaN(asked) || asked < 1) throw new Refusal(400, 'limit must be a positive number')
  const end = start + Math.min(asked, pageSize)
  const items = all.slice(start, end)
  const links =
    end < all.length ? [{ rel: 'next', href: `http://192.0.2.1/?marker=${items.at(-1)?.id}` }] : []
  return {
    status: 200,
    json: { [collection]: items.map(view), ...(links.length > 0 ? { [`${collection}_links`]: links } : {}) },
  }
}

export function notFound(message: string, type = ''): never {
  throw new Refusal(404, message, type)
}
