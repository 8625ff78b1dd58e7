import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { authenticate } from './authentication.ts'
import { authorize } from './authorization.ts'
import { elsewhere } from './bucket-home.ts'
import type { Answer, Call, FrontRequest } from './call.ts'
import { dryRunSucceeded, isDryRun } from './dry-run.ts'
import type { Faults, Strike } from './faults.ts'
import { operations } from './operations.ts'
import { receive } from './receive.ts'
import type { Received } from './receive.ts'
import { Refusal, refusalAnswer } from './refusal.ts'
import { needAllKnown } from './unknown.ts'
import type { World } from './world.ts'

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
  const received = await receive(incoming, requests).catch(() => undefined)
  if (!received) return void incoming.destroy()
  const { record } = received
  const strike = faults.strike(record)
  const isDone = strike === undefined || !isBefore(strike)
  const answer = isDone ? await answered(world, received) : undefined
  if (strike && answer && answer.status >= 300) strike.takeBack()
  if (!strike || (answer && answer.status >= 300)) return respond(world, outgoing, received, answer!)
  strike.happens()
  const { effect } = strike
  if (effect.kind === 'cut') return void incoming.socket.resetAndDestroy()
  if (effect.kind === 'stalled') return
  if (effect.kind === 'late') return doLater(world, received, effect)
  return respond(world, outgoing, received, instead(effect, record))
}

function isBefore({ effect }: Strike): boolean {
  if (effect.kind === 'refused' || effect.kind === 'late') return true
  return effect.kind !== 'done-and-refused' && !effect.isDone
}

async function doLater(
  world: World,
  received: Received,
  effect: Extract<Strike['effect'], { kind: 'late' }>,
): Promise<void> {
  await effect.until
  received.record.status = (await answered(world, received)).status
  effect.answered(received.record)
}

function instead(
  effect: Exclude<Strike['effect'], { kind: 'cut' | 'stalled' | 'late' }>,
  record: FrontRequest,
): Answer {
  if (effect.kind === 'garbage') {
    const { status, body } = effect
    return { status, headers: { 'content-type': 'text/html' }, body: Buffer.from(body) }
  }
  return refused(record, effect.refusal(record.service))
}

async function answered(world: World, received: Received): Promise<Answer> {
  try {
    return await answer(world, received)
  } catch (error) {
    return refused(received.record, error instanceof Refusal ? error : broken(error))
  }
}

async function answer(world: World, received: Received): Promise<Answer> {
  const now = Date.now() + world.settings.clockSkewMs
  const credential = authenticate(received.call, received.authorization, world.settings.credentials, now)
  const caller = credential.arn ?? `arn:aws:iam::${world.account}:user/factory`
  const call: Call = { ...received.call, caller }
  await authorize(call, world)
  needAllKnown(call, world)
  const redirect = await elsewhere(call, world)
  if (redirect) return redirect
  const operation = operations[`${call.service} ${call.action}`]
  if (operation) return operation(call, world)
  // Some operations of the emulator would not see that it is one, and do it.
  if (isDryRun(call)) throw dryRunSucceeded()
  return world.upstream.forward(call)
}

function refused(record: FrontRequest, refusal: Refusal): Answer {
  record.refusal = refusal.code
  return refusalAnswer(record.service, refusal)
}

async function respond(
  world: World,
  outgoing: ServerResponse,
  { record }: Received,
  { status, headers, body }: Answer,
): Promise<void> {
  if (outgoing.destroyed) return
  record.status = status
  const date = new Date(Date.now() + world.settings.clockSkewMs).toUTCString()
  const requestId = { 'x-amzn-requestid': randomUUID() }
  outgoing.writeHead(status, { ...requestId, ...headers, date } as Record<string, string>)
  if (Buffer.isBuffer(body)) outgoing.end(body)
  else await pipeline(body, outgoing).catch(() => outgoing.destroy())
}

/** A defect of the front or the emulator, said so that a test's output shows it. */
function broken(error: unknown): Refusal {
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return new Refusal({ code: 'FrontBroken', status: 500, message })
}
