import { z } from 'zod'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { exchange, readJson } from './exchange.ts'
import { openstackFailure, unreadableAnswer } from './failures.ts'
import { type Identity, authenticationRequest } from './identity.ts'
import { retryPauseMs } from './wait.ts'

const answer = z.object({
  token: z.object({
    expires_at: z.string(),
    user: z.object({ id: z.string(), name: z.string() }),
    project: z.object({ id: z.string(), name: z.string() }),
    roles: z.array(z.object({ name: z.string() })).default([]),
    catalog: z
      .array(
        z.object({
          type: z.string(),
          endpoints: z.array(
            z.object({
              interface: z.string(),
              region_id: z.string().nullish(),
              region: z.string().nullish(),
              url: z.string(),
            }),
          ),
        }),
      )
      .default([]),
  }),
})

export type Catalogue = z.infer<typeof answer>['token']['catalog']

/** What Keystone gave us for our credentials. */
export interface Token {
  readonly value: string
  readonly expiresAt: number
  readonly project: { id: string; name: string }
  readonly user: { id: string; name: string }
  readonly roles: readonly string[]
  readonly catalogue: Catalogue
  /** Milliseconds that Keystone's clock is ahead of ours; undefined when it did not say. */
  readonly skewMs: number | undefined
}

const answerMs = 30_000
const mostTries = 4

/** Asks Keystone for a token; that makes nothing, so it is asked again when no answer comes. */
export async function newToken(identity: Identity, ctx: Context): Promise<Token> {
  const what = `asking ${identity.authUrl} for a token`
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask(identity, what, ctx)
    } catch (error) {
      ctx.signal.throwIfAborted()
      if (tries === mostTries || !(error instanceof FactoryError) || !error.retryable) throw error
      await ctx.sleep(retryPauseMs(tries))
    }
  }
}

async function ask(identity: Identity, what: string, ctx: Context): Promise<Token> {
  const received = await exchange(
    {
      what,
      method: 'POST',
      url: `${identity.authUrl}/auth/tokens`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(authenticationRequest(identity)),
      limitMs: answerMs,
    },
    ctx,
  )
  const where = new URL(identity.authUrl).host
  // An application credential that is no more is "not found", as is a wrong address.
  if (received.status === 401 || received.status === 404) throw refused(identity, received.refusal().message)
  if (received.status < 300 && received.status !== 201)
    throw unreadableAnswer(what, where, `status ${received.status}`)
  if (received.status !== 201) throw openstackFailure(received.refusal(), what, where)
  const { token } = readJson(received, answer, what, where)
  const value = received.headers.get('x-subject-token')
  if (value === null) throw refused(identity, 'Keystone sent no token')
  const date = Date.parse(received.headers.get('date') ?? '')
  return {
    value,
    expiresAt: Date.parse(token.expires_at),
    project: token.project,
    user: token.user,
    roles: token.roles.map(({ name }) => name),
    catalogue: token.catalog,
    // The header has whole seconds.
    skewMs: Number.isNaN(date) ? undefined : date + 500 - ctx.now(),
  }
}

function refused({ authUrl, source }: Identity, said: string): FactoryError {
  return new FactoryError({
    code: 'openstack-credentials',
    message: `${authUrl} does not accept the credentials in ${source}: ${said}`,
    hint: 'Has the password been changed, or the application credential expired or been removed? Are auth_url, user_domain_name and project_domain_name right? Try the same with: openstack token issue',
    class: 'permission',
    context: { status: 401 },
  })
}
