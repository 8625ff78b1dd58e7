import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import type { FrontRequest } from '#test/servers/aws-front/call.ts'
import type { Faults, Strike } from '#test/servers/aws-front/faults.ts'
import { catalogOperations } from './catalog.ts'
import { addressOperations } from './floating-ips.ts'
import { iamOperations } from './iam.ts'
import { imageOperations } from './images.ts'
import { instanceOperations } from './instances.ts'
import type { Operation, Reply } from './operation.ts'
import { Refused, refusalBody } from './refusal.ts'
import { resourceOperations } from './resource-groups.ts'
import { taggingOperations } from './tagging.ts'
import { volumeOperations } from './volumes.ts'
import type { World } from './world.ts'

export const operations: Readonly<Record<string, readonly Operation[]>> = {
  iam: iamOperations,
  vpc: [
    ...imageOperations,
    ...instanceOperations,
    ...volumeOperations,
    ...addressOperations,
    ...catalogOperations,
  ],
  tagging: taggingOperations,
  resources: resourceOperations,
}

/** One request from its first byte to the last of its answer, or to the fault that it runs into. */
export async function serve(
  world: World,
  faults: Faults,
  requests: FrontRequest[],
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  // A client that went away is nobody's fault here.
  outgoing.on('error', () => {})
  const body = await text(incoming).catch(() => undefined)
  if (body === undefined) return
  const place = placeOf(incoming)
  const record = recordOf(place, incoming, body)
  requests.push(record)
  const strike = faults.strike(record)
  const isDone = strike === undefined || !isBefore(strike)
  const reply = isDone ? await replied(world, place, incoming, body, record) : undefined
  if (strike && reply && reply.status >= 300) strike.takeBack()
  if (!strike || (reply && reply.status >= 300)) return respond(outgoing, record, reply!)
  strike.happens()
  const { effect } = strike
  if (effect.kind === 'cut') return void incoming.socket.resetAndDestroy()
  if (effect.kind === 'stalled') return
  if (effect.kind === 'late') {
    await effect.until
    record.status = (await replied(world, place, incoming, body, record)).status
    return effect.answered(record)
  }
  if (effect.kind === 'garbage') {
    record.status = effect.status
    outgoing.writeHead(effect.status, { 'content-type': 'text/html' }).end(effect.body)
    return
  }
  const { status, code, message } = effect.refusal(place.service)
  return respond(outgoing, record, { status, body: refusalBody(place.service, { status, code, message }) })
}

interface Place {
  readonly service: string
  readonly region: string
  readonly path: string
  readonly query: URLSearchParams
  readonly operation: Operation | undefined
  readonly words: readonly string[]
}

/** `/SERVICE/REGION/…`: the double answers for all services and regions at one address. */
function placeOf({ url = '', method }: IncomingMessage): Place {
  const { pathname, searchParams } = new URL(url, 'http://double')
  const [, service = '', region = '', rest = ''] = /^\/([a-z]+)\/([a-z-]+)(\/.*)$/.exec(pathname) ?? []
  for (const operation of operations[service] ?? []) {
    const match = operation.method === method ? operation.path.exec(rest) : null
    if (match) return { service, region, path: rest, query: searchParams, operation, words: match.slice(1) }
  }
  return { service, region, path: rest, query: searchParams, operation: undefined, words: [] }
}

function recordOf(
  { service, region, query, operation, path }: Place,
  incoming: IncomingMessage,
  body: string,
): FrontRequest {
  const action = operation?.action ?? `${incoming.method} ${path}`
  const parameters = { ...Object.fromEntries(query), path, ...(service === 'iam' ? {} : { body }) }
  const bodyBytes = Buffer.byteLength(body)
  return { service, region, action, parameters, accessKeyId: '', at: Date.now(), bodyBytes, status: 0 }
}

async function replied(
  world: World,
  place: Place,
  incoming: IncomingMessage,
  body: string,
  record: FrontRequest,
): Promise<Reply> {
  try {
    return await reply(world, place, incoming, body)
  } catch (error) {
    const refused =
      error instanceof Refused ? error : new Refused(500, 'double_broken', String((error as Error).stack))
    record.refusal = refused.code
    return { status: refused.status, body: refusalBody(place.service, refused) }
  }
}

async function reply(world: World, place: Place, incoming: IncomingMessage, body: string): Promise<Reply> {
  const { service, region, query, operation, words } = place
  if (!operation) throw new Refused(404, 'not_found', `there is no ${incoming.method} ${place.path}`)
  const isOpen = operation.action === 'CreateToken'
  if (!isOpen) needToken(world, incoming.headers.authorization)
  if (world.settings.denied.includes(operation.action))
    throw new Refused(403, 'not_authorized', `The request is not authorized: ${operation.action}`)
  if (service === 'vpc') needVersion(world, region, query)
  const known = [...(operation.query ?? []), ...(service === 'vpc' ? ['version', 'generation'] : [])]
  const unknown = [...query.keys()].find((name) => !known.includes(name))
  if (unknown !== undefined) throw new Refused(400, 'bad_request', `there is no parameter ${unknown}`)
  const content = isOpen || body === '' ? body : json(incoming, body)
  return await operation.run({ region, query, headers: incoming.headers, words, body: content }, world)
}

function needToken({ tokens }: World, authorization: string | undefined): void {
  const until = tokens.get(authorization?.replace(/^Bearer /, '') ?? '')
  if (until === undefined || until < Date.now())
    throw new Refused(401, 'invalid_token', 'The token is missing, unknown or expired.')
}

function needVersion({ settings }: World, region: string, query: URLSearchParams): void {
  if (!settings.regions.includes(region)) throw new Refused(404, 'not_found', `there is no region ${region}`)
  const version = query.get('version') ?? ''
  const isDate = /^\d{4}-\d\d-\d\d$/.test(version) && Date.parse(version) <= Date.now()
  if (!isDate || query.get('generation') !== '2')
    throw new Refused(
      400,
      'missing_version_or_generation',
      'version must be a date up to today, generation 2',
    )
}

function json({ headers, method }: IncomingMessage, body: string): unknown {
  const wanted = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
  if (headers['content-type'] !== wanted) throw new Refused(415, 'unsupported_media_type', `needs ${wanted}`)
  try {
    return JSON.parse(body)
  } catch {
    throw new Refused(400, 'invalid_json', 'the body is no JSON')
  }
}

function isBefore({ effect }: Strike): boolean {
  if (effect.kind === 'refused' || effect.kind === 'late') return true
  return effect.kind !== 'done-and-refused' && !effect.isDone
}

function respond(outgoing: ServerResponse, record: FrontRequest, { status, body }: Reply): void {
  if (outgoing.destroyed) return
  record.status = status
  outgoing.writeHead(status, { 'x-request-id': randomUUID(), 'content-type': 'application/json' })
  outgoing.end(body === undefined ? '' : JSON.stringify(body))
}
