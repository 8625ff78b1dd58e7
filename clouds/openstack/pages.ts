import { z } from 'zod'
import type { Context } from '#src/context.ts'
import { unreadableAnswer } from './failures.ts'
import type { ServiceName } from './catalogue.ts'
import type { OpenstackSettings } from './settings.ts'

export interface Listing<T extends z.ZodType> {
  service: ServiceName
  region: string
  what: string
  path: string
  query?: Record<string, string | undefined>
  /** The list in an answer: `servers`, `images`. */
  collection: string
  item: T
}

const usualPageSize = 500
const mostPages = 2_000

/**
 * Everything of a listing, all pages of it. The link to the next page says only that there is one: behind a proxy it often
 * points to another address than the one in the catalogue.
 */
export async function everyItem<T extends z.ZodType<{ id: string }>>(
  { session, pageSize = usualPageSize }: OpenstackSettings,
  { service, region, what, path, query, collection, item }: Listing<T>,
  ctx: Context,
): Promise<z.infer<T>[]> {
  const links = `${collection}_links`
  const page = z.object({
    [collection]: z.array(item),
    next: z.string().nullish(),
    [links]: z.array(z.object({ rel: z.string() })).optional(),
  })
  const all: z.infer<T>[] = []
  let marker: string | undefined
  for (let pages = 1; pages <= mostPages; pages += 1) {
    const request = { service, region, what, path, query: { ...query, limit: String(pageSize), marker } }
    const answer = (await session.json(request, page, ctx)) as Record<string, unknown>
    const items = answer[collection] as z.infer<T>[]
    all.push(...items)
    const isLast =
      !answer['next'] && !((answer[links] ?? []) as { rel: string }[]).some(({ rel }) => rel === 'next')
    const last = items.at(-1)?.id
    if (isLast || last === undefined) return all
    if (last === marker) break
    marker = last
  }
  throw unreadableAnswer(what, region, 'its pages have no end')
}
