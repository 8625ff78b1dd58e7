import { z } from 'zod'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import { type Marks, marksOf, tagsOf } from './marks.ts'
import type { IbmSettings } from './settings.ts'
import { until } from './wait.ts'

const results = z.object({
  results: z.array(
    z.object({ resource_id: z.string(), is_error: z.boolean().optional(), message: z.string().optional() }),
  ),
})
const tagList = z.object({
  items: z.array(z.object({ name: z.string() })),
  total_count: z.number().optional(),
})
const anything = z.unknown()

/** What was just made is known to the tagging service a while later, and what was attached is shown a while later. */
const attachLimitMs = 5 * 60_000
const mostTags = 1000

/**
 * Writes marks onto things, in place of marks of the same names, and returns when they are seen there: whoever looks next
 * has to find them. Nothing of VPC but volumes takes tags when it is made.
 */
export async function attachMarks(
  settings: IbmSettings,
  crns: readonly string[],
  marks: Marks,
  ctx: Context,
): Promise<void> {
  await writeMarks(settings, crns, marks, ctx)
  await seeMarks(settings, crns, marks, attachLimitMs, ctx)
}

/** Returns when the service has taken the marks; it shows them a while later. */
export async function writeMarks(
  settings: IbmSettings,
  crns: readonly string[],
  marks: Marks,
  ctx: Context,
): Promise<void> {
  const tag_names = tagsOf(marks, settings.configuration.tags)
  await until(`marking ${crns.join(', ')}`, attachLimitMs, ctx, async () => {
    const answer = await settings.call(
      {
        what: 'attaching tags',
        service: 'tagging',
        region: 'the account',
        method: 'POST',
        path: '/tags/attach',
        // https://cloud.ibm.com/apidocs/tagging#attach-tag: `update` detaches other tags of the same key.
        query: { tag_type: 'user', update: 'true' },
        body: { resources: crns.map((resource_id) => ({ resource_id })), tag_names },
        answer: results,
      },
      ctx,
    )
    const refused = answer?.results.find(({ is_error: isError }) => isError)
    if (refused) ctx.log(`not marked yet: ${refused.message ?? refused.resource_id}`)
    const done = answer?.results.filter(({ is_error: isError }) => !isError) ?? []
    return done.length === crns.length ? true : undefined
  })
}

/** Waits until the marks are shown. */
export async function seeMarks(
  settings: IbmSettings,
  crns: readonly string[],
  marks: Marks,
  limitMs: number,
  ctx: Context,
): Promise<void> {
  for (const crn of crns) {
    await until(`seeing the marks of ${crn}`, limitMs, ctx, async () => {
      const seen = await readMarks(settings, crn, ctx)
      return Object.entries(marks).every(([name, value]) => seen[name] === value) ? true : undefined
    })
  }
}

/** The marks on a thing; none when nobody knows it. */
export async function readMarks(
  settings: IbmSettings,
  crn: string,
  ctx: Pick<Context, 'signal'>,
): Promise<Partial<Marks>> {
  const answer = await settings.call(
    {
      what: 'reading tags',
      service: 'tagging',
      region: 'the account',
      path: '/tags',
      query: { tag_type: 'user', providers: 'ghost', attached_to: crn, limit: String(mostTags) },
      answer: tagList,
    },
    ctx,
  )
  return marksOf(answer?.items.map(({ name }) => name) ?? [])
}

/**
 * Removes marks that stand on nothing any more from the account's list of tags, where they would stay for ever: every end
 * of every lease is one. What is still in use the service keeps, so a failure is only told.
 */
export async function forgetMarks(settings: IbmSettings, marks: Partial<Marks>, ctx: Context): Promise<void> {
  const known = Object.fromEntries(
    Object.entries(marks).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
  for (const tag of tagsOf(known)) {
    const request = {
      what: `forgetting the tag ${tag}`,
      service: 'tagging' as const,
      region: 'the account',
      method: 'DELETE' as const,
      path: `/tags/${encodeURIComponent(tag)}`,
      query: { tag_type: 'user', providers: 'ghost' },
      answer: anything,
      accept: [400, 404, 409],
    }
    await settings.call(request, ctx).catch((error: unknown) => {
      ctx.signal.throwIfAborted()
      ctx.log(asFactoryError(error).message)
    })
  }
}
