import { z } from 'zod'
import type { Context } from '#src/context.ts'
import { unreadableAnswer } from './failures.ts'
import type { IbmSettings } from './settings.ts'

const next = z.object({ href: z.string() }).optional()
const mostPages = 1_000

/** A listing of VPC. */
export interface Listing<T> {
  /** For messages: `listing images`. */
  readonly what: string
  readonly region: string
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  /** The key of the answer that the things are under. */
  readonly key: string
  readonly thing: z.ZodType<T>
}

/**
 * Everything of a listing, all pages of it. Of the link to the next page only the token is taken: a link may lead
 * anywhere, and our own token goes along with the request.
 */
export async function everyThing<T>(
  { call, pageSize = 100 }: IbmSettings,
  { what, region, path, query = {}, key, thing }: Listing<T>,
  ctx: Pick<Context, 'signal'>,
): Promise<T[]> {
  const all: T[] = []
  let start: string | undefined
  for (let page = 0; page < mostPages; page += 1) {
    const shape = z.object({ [key]: z.array(thing), next })
    const token: Record<string, string> = start === undefined ? {} : { start }
    const asked = { ...query, limit: String(pageSize), ...token }
    const answer = await call({ what, service: 'vpc', region, path, query: asked, answer: shape }, ctx)
    all.push(...((answer?.[key] ?? []) as T[]))
    const link = answer?.['next'] as z.infer<typeof next>
    if (link === undefined) return all
    const following = URL.parse(link.href, 'https://any')?.searchParams.get('start') ?? undefined
    if (following === undefined || following === start) break
    start = following
  }
  throw unreadableAnswer(what, region)
}
