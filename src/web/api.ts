import { type Context, Hono } from 'hono'
import { z } from 'zod'
import { architectureNames } from '#arch/index.ts'
import { unknownArchitecture } from '#src/config/suggest.ts'
import type { Choice } from '#src/release/choose.ts'
import { ruleNames } from '#src/trigger/types.ts'
import { printable } from '#src/ui/printable.ts'
import { readBody, requestBytes, requestMs } from './body.ts'
import type { WebEnvironment } from './environment.ts'
import { invalid } from './refusals.ts'
import { leaseViews, releaseViews } from './views.ts'
import type { Serving } from './types.ts'

const longestReason = 1_000

const architecture = z.enum(architectureNames, { error: ({ input }) => unknownArchitecture(String(input)) })
/** Stands in lines of the log, too: nobody's name makes another line or an escape sequence. */
const by = z
  .string()
  .transform((name) => printable(name).trim())
  .pipe(z.string().min(1).max(100))
  .optional()
const choice = z.strictObject({
  by,
  why: z.string().max(longestReason).optional(),
  force: z.boolean().optional(),
})
const bodies = {
  press: z.strictObject({
    by,
    force: z.boolean().optional(),
    architectures: z.array(architecture).min(1).optional(),
    to: z.array(z.string().min(1).max(200)).min(1).max(100).optional(),
  }),
  choice,
  pin: choice.extend({ pinned: z.boolean().default(true) }),
  resume: z.strictObject({ by }),
  gc: z.strictObject({ limit: z.int().min(1).max(999_999).default(50) }),
}

/** What is known and what can be chosen, as JSON; `src/web/client.ts` speaks to it. */
export function api(serving: Serving): Hono<WebEnvironment> {
  const { choose } = serving
  const app = new Hono<WebEnvironment>()
  app.use('/api/*', async (context, next) => {
    context.header('Cache-Control', 'no-store')
    return next()
  })
  app.get('/api/images', (context) => context.json(serving.images()))
  app.get('/api/releases', (context) =>
    context.json({ channels: serving.state().channels, releases: releaseViews(serving.state()) }),
  )
  app.get('/api/rules', (context) => context.json(serving.rules()))
  app.get('/api/leases', (context) => context.json(leaseViews(serving.state(), serving.now())))
  app.get('/api/findings', (context) => context.json(serving.findings() ?? null))
  app.post('/api/releases', async (context) => {
    const wish = await read(context, bodies.press)
    return context.json(await choose.press(present({ ...wish, by: wish.by ?? context.get('by') })), 202)
  })
  app.post('/api/releases/:release/promote', async (context) => {
    const release = context.req.param('release')
    await choose.promote(release, choiceOf(context, await read(context, bodies.choice)))
    return context.json({ release })
  })
  app.post('/api/releases/:release/ignore', async (context) => {
    const release = context.req.param('release')
    await choose.ignore(release, choiceOf(context, await read(context, bodies.choice)))
    return context.json({ release })
  })
  app.post('/api/releases/:release/pin', async (context) => {
    const release = context.req.param('release')
    const { pinned, ...rest } = await read(context, bodies.pin)
    await choose.pin(release, { ...choiceOf(context, rest), pinned })
    return context.json({ release, pinned })
  })
  app.post('/api/rollback', async (context) =>
    context.json(await choose.rollback(choiceOf(context, await read(context, bodies.choice)))),
  )
  app.post('/api/gc', async (context) => {
    const { limit } = await read(context, bodies.gc)
    return context.json(await choose.collectGarbage(limit))
  })
  app.post('/api/rules/:rule/resume', async (context) => {
    const rule = ruleNames.find((name) => name === context.req.param('rule'))
    if (rule === undefined) throw invalid(`there is no rule ${JSON.stringify(context.req.param('rule'))}`)
    const asked = await read(context, bodies.resume)
    await choose.resumeRule(rule, asked.by ?? context.get('by'))
    return context.json({ rule })
  })
  return app
}

/** No body at all is one without wishes. */
async function read<Body>(context: Context, schema: z.ZodType<Body>): Promise<Body> {
  const body = await readBody(context.req.raw, requestBytes, requestMs)
  if (body.length > 0 && !/^application\/json\b/.test(context.req.header('content-type') ?? ''))
    throw invalid('the body is not of the type application/json')
  const parsed = schema.safeParse(body.length === 0 ? {} : fromJson(body))
  if (parsed.success) return parsed.data
  throw invalid(z.prettifyError(parsed.error))
}

function fromJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8')) as unknown
  } catch (error) {
    throw invalid(`the body is no JSON: ${(error as Error).message}`)
  }
}

function choiceOf(context: Context<WebEnvironment>, asked: z.infer<typeof choice>): Choice {
  return present({ ...asked, by: asked.by ?? context.get('by') })
}

type Present<T> = { [Key in keyof T]: Exclude<T[Key], undefined> }

/** Without the keys that have no value. */
function present<T extends object>(value: T): Present<T> {
  return Object.fromEntries(Object.entries(value).filter(([, own]) => own !== undefined)) as Present<T>
}
