import type { IncomingMessage, ServerResponse } from 'node:http'
import { json as readJson } from 'node:stream/consumers'
import { compute } from './compute.ts'
import type { Effect, Faults } from './faults.ts'
import { network } from './network.ts'
import { type ProxiedAnswer, passOn } from './proxy.ts'
import { type Call, Refusal, type Seen, type Service, refusalAnswer } from './request.ts'
import { callerOf } from './token.ts'
import { volume } from './volume.ts'
import type { World } from './world.ts'

const doubles = { compute, volume, network } as const

/** Where each service stands under the one address; Cinder's has the project in it. */
const roots: readonly [Service, RegExp][] = [
  ['identity', /^\/identity(?=\/)/],
  ['image', /^\/image(-two)?(?=\/)/],
  ['compute', /^\/compute\/v2\.1(?=\/)/],
  ['volume', /^\/volume\/v3\/[0-9a-f]{32}(?=\/)/],
  ['network', /^\/network\/v2\.0(?=\/)/],
]

/** One request from its first byte to the last of its answer, or to the fault that it runs into. */
export async function serve(
  world: World,
  faults: Faults,
  requests: Seen[],
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  // A client that went away is nobody's fault here.
  outgoing.on('error', () => {})
  // Kept: a request whose client went away has lost its own by then.
  const { method = '', url = '', socket } = incoming
  const at = new URL(url, 'http://127.0.0.1')
  const [service, root] = roots.find(([, prefix]) => prefix.test(at.pathname)) ?? []
  if (!service || !root)
    return respond(outgoing, { status: 404, headers: {}, body: Buffer.from('no such service') })
  const path = at.pathname.replace(root, '')
  const isReal = service === 'identity' || service === 'image'
  const json =
    isReal || !incoming.headers['content-type'] ? undefined : await readJson(incoming).catch(() => undefined)
  const seen: Seen = { service, method, path, query: at.search, json, status: 0 }
  requests.push(seen)
  const strike = faults.strike(seen)
  const effect = strike?.effect
  const isDone = !effect || effect.kind === 'changed' || effect.isDone
  const answer = isDone ? await answered(world, service, { incoming, path, at, method, json }) : undefined
  strike?.happens()
  if (effect?.kind === 'stalled') return
  if (effect?.kind === 'cut') return void socket.resetAndDestroy()
  if (!isDone) incoming.resume()
  const said = effect ? instead(effect, answer) : answer
  if (!said) return void socket.resetAndDestroy()
  seen.status = said.status
  respond(outgoing, said)
}

interface Received {
  incoming: IncomingMessage
  path: string
  at: URL
  method: string
  json: unknown
}

/** Undefined when the one who asked has gone. */
async function answered(
  world: World,
  service: Service,
  received: Received,
): Promise<ProxiedAnswer | undefined> {
  const { incoming, path, at, method, json } = received
  if (service === 'identity' || service === 'image') {
    return await passOn(incoming, `${targetOf(world, at)}${path}${at.search}`).catch(() => undefined)
  }
  try {
    const caller = await callerOf(world, incoming.headers)
    const call: Call = { method, path, query: at.searchParams, headers: incoming.headers, json, ...caller }
    return asBytes(await doubles[service](call, world))
  } catch (error) {
    if (error instanceof Refusal) return asBytes(refusalAnswer(service, error))
    // A defect of the double, said so that a test's output shows it.
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return asBytes(refusalAnswer(service, new Refusal(500, `DoubleBroken: ${message}`)))
  }
}

function targetOf({ stack }: World, { pathname }: URL): string {
  if (pathname.startsWith('/identity/')) return stack.keystone.url.replace(/\/v3$/, '')
  return pathname.startsWith('/image-two/') ? stack.secondGlanceUrl! : stack.glanceUrl
}

function instead(
  effect: Exclude<Effect, { kind: 'cut' | 'stalled' }>,
  answer: ProxiedAnswer | undefined,
): ProxiedAnswer | undefined {
  if (effect.kind === 'refused')
    return asBytes({ status: effect.status, json: effect.json, headers: effect.headers ?? {} })
  if (!answer) return undefined
  const changed = effect.change(JSON.parse(answer.body.toString()) as Record<string, unknown>)
  const { 'content-length': _, ...headers } = answer.headers
  return { ...answer, headers, body: Buffer.from(JSON.stringify(changed)) }
}

function asBytes({
  status,
  json,
  headers = {},
}: {
  status: number
  json?: unknown
  headers?: Readonly<Record<string, string>>
}): ProxiedAnswer {
  const type = json === undefined ? {} : { 'content-type': 'application/json' }
  return {
    status,
    headers: { ...type, ...headers },
    body: Buffer.from(json === undefined ? '' : JSON.stringify(json)),
  }
}

function respond(outgoing: ServerResponse, { status, headers, body }: ProxiedAnswer): void {
  if (outgoing.destroyed) return
  outgoing.writeHead(status, { date: new Date().toUTCString(), ...headers })
  outgoing.end(body)
}
