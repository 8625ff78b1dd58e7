import { readFileSync } from 'node:fs'
import { Hono } from 'hono'
import { FactoryError } from '#src/errors.ts'
import { readBody } from './body.ts'
import type { WebEnvironment } from './environment.ts'
import { type Forge, forgeOf } from './forges.ts'
import { busy, notFound } from './refusals.ts'
import type { Serving } from './types.ts'

const limitBytes = 1024 * 1024
const atOnce = 32
const quietMs = 1_000

export interface WebhookOptions {
  /** What the forge signs with; without it there are no webhooks here. */
  secret: string | undefined
  /** Milliseconds for the whole body. */
  bodyMs: number
}

/**
 * `POST /webhooks/github`, `/gitlab` and `/forgejo`. A webhook that is signed says "look now" and nothing else: its
 * content is read for its signature and for nothing else, so one that comes again makes us look again.
 */
export function webhooks(serving: Serving, { secret, bodyMs }: WebhookOptions): Hono<WebEnvironment> {
  const look = sparingly(() => serving.lookNow('containerfile'))
  let running = 0
  const app = new Hono<WebEnvironment>()
  app.post('/webhooks/:forge', async (context) => {
    const forge = secret === undefined ? undefined : forgeOf(context.req.param('forge'))
    if (!forge || secret === undefined) throw notFound(context.req.path)
    if (running >= atOnce) throw busy(`${atOnce} webhooks`)
    running += 1
    try {
      const body = await readBody(context.req.raw, limitBytes, bodyMs)
      const header = (name: string) => context.req.header(name)
      if (!(await isSigned(forge, { header, body, secret, now: serving.now() }))) throw notSigned()
      if (!forge.isPing(header)) look()
      return context.body(null, 202)
    } finally {
      running -= 1
    }
  })
  app.all('/webhooks/*', (context) => {
    throw notFound(context.req.path)
  })
  return app
}

/** The secret as the file of `serve.webhookSecret` has it, without the white space around it. Throws `webhook-secret-unreadable`. */
export function readWebhookSecret(file: string | undefined): string | undefined {
  if (file === undefined) return undefined
  let secret = ''
  let cause: unknown
  try {
    secret = readFileSync(file, 'utf8').trim()
  } catch (error) {
    cause = error
  }
  if (secret !== '') return secret
  throw new FactoryError({
    code: 'webhook-secret-unreadable',
    message: `the webhook secret cannot be read from ${file}${cause === undefined ? ': it is empty' : ''}`,
    hint: `openssl rand -hex 32 > ${file}, and give the forge the same; or leave out serve.webhookSecret.`,
    class: 'user',
    cause,
  })
}

/** An attempt with nothing that could be a signature costs no digest. */
async function isSigned(forge: Forge, signed: Parameters<Forge['isSigned']>[0]): Promise<boolean> {
  return signed.body.length > 0 && (await forge.isSigned(signed))
}

function notSigned(): FactoryError {
  return new FactoryError({
    code: 'webhook-not-signed',
    message: 'the webhook is not signed with the secret of serve.webhookSecret',
    class: 'permission',
  })
}

/** At once, and at most so often: what comes meanwhile is one more call at the end of the time. */
function sparingly(call: () => void): () => void {
  let waiting: NodeJS.Timeout | undefined
  let again = false
  const now = () => {
    again = false
    waiting = setTimeout(() => {
      waiting = undefined
      if (again) now()
    }, quietMs).unref()
    call()
  }
  return () => {
    if (waiting === undefined) now()
    else again = true
  }
}
