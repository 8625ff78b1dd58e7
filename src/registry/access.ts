import { z } from 'zod'
import type { Context } from '#src/context.ts'
import type { Credentials } from './credentials.ts'
import { isLoopback } from './endpoint.ts'
import { badAnswer, notAllowed } from './failures.ts'
import type { Reference } from './reference.ts'
import { send } from './request.ts'
import type { Patience } from './request.ts'

/** What a registry allows to do with a repository, as its tokens name it. */
export type Actions = 'pull' | 'pull,push'

export interface Challenge {
  scheme: string
  parameters: Readonly<Record<string, string>>
}

const tokenAnswer = z.object({ token: z.string().optional(), access_token: z.string().optional() })

const maxTokenBytes = 256 * 1024

/** Reads `WWW-Authenticate: Bearer realm="…",service="…",scope="…"`. */
export function parseChallenge(header: string | null): Challenge | undefined {
  const match = /^\s*(\w+)(?:\s+(.*))?$/s.exec(header ?? '')
  if (!match) return undefined
  const [, scheme = '', rest = ''] = match
  const pairs = rest.matchAll(/([\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]*))/g)
  const parameters = [...pairs].map(([, key = '', quoted, bare]) => [key.toLowerCase(), quoted ?? bare ?? ''])
  return {
    scheme: scheme.toLowerCase(),
    parameters: Object.fromEntries(parameters) as Record<string, string>,
  }
}

/**
 * Answers a registry's challenge with the value of an Authorization header: basic, or a token from the realm that the
 * registry names (https://distribution.github.io/distribution/spec/auth/token/). Credentials only ever go to an
 * encrypted realm, or to one on this machine.
 */
export async function authorize(
  named: Pick<Reference, 'registry' | 'repository'>,
  challenge: Challenge,
  actions: Actions,
  credentials: Credentials | undefined,
  patience: Patience,
  ctx: Context,
): Promise<string> {
  const { registry, repository } = named
  if (challenge.scheme === 'basic') {
    if (credentials === undefined) throw notAllowed(named, actionName(actions), undefined)
    return basic(credentials)
  }
  if (challenge.scheme !== 'bearer') {
    throw badAnswer(registry, `it wants the unknown authentication ${challenge.scheme}`)
  }
  const url = realmUrl(registry, challenge.parameters['realm'])
  const service = challenge.parameters['service']
  if (service !== undefined) url.searchParams.set('service', service)
  url.searchParams.set('scope', `repository:${repository}:${actions}`)
  const headers: Record<string, string> =
    credentials === undefined ? {} : { authorization: basic(credentials) }
  const request = { method: 'GET', url: url.href, headers, maxBytes: maxTokenBytes } as const
  const answer = await send(url.host, request, patience, ctx)
  if (answer.status === 401 || answer.status === 403) {
    throw notAllowed(named, actionName(actions), credentials?.user)
  }
  if (answer.status !== 200) throw badAnswer(url.host, `${answer.status} where a token was expected`)
  return `Bearer ${tokenOf(url.host, answer.body)}`
}

/** How messages speak of what was tried. */
export function actionName(actions: Actions): string {
  return actions === 'pull' ? 'pull from' : 'push to'
}

function realmUrl(registry: string, realm: string | undefined): URL {
  if (realm === undefined || !URL.canParse(realm)) {
    throw badAnswer(registry, 'it names no realm to get a token from')
  }
  const url = new URL(realm)
  const onThisMachine = url.protocol === 'http:' && isLoopback(url.host) && isLoopback(registry)
  if (url.protocol === 'https:' || onThisMachine) return url
  throw badAnswer(registry, `it sends credentials to ${url.origin}, which is not encrypted`)
}

function tokenOf(host: string, body: Buffer): string {
  let json: unknown
  try {
    json = JSON.parse(body.toString('utf8'))
  } catch {
    throw badAnswer(host, 'what should be a token is no JSON')
  }
  const parsed = tokenAnswer.safeParse(json)
  const token = parsed.success ? (parsed.data.token ?? parsed.data.access_token) : undefined
  if (token === undefined || !/^[\x21-\x7e]+$/.test(token)) throw badAnswer(host, 'its answer has no token')
  return token
}

function basic({ user, password }: Credentials): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}
