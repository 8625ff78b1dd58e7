import { type IncomingMessage, type RequestOptions, request as plain } from 'node:http'
import { request as encrypted } from 'node:https'
import { z } from 'zod'
import { FactoryError, failureClasses } from '#src/errors.ts'
import { socketPath } from './socket-path.ts'

/** A factory of this user on this machine, or one that is called by its address. */
export type FactoryAddress = { stateDirectory: string } | { url: string; token: string }

const usualAnswerMs = 120_000
/** What the server says of it is for other programs. */
const wrongTokenHint = 'FACTORY_TOKEN has to be the token that factory serve showed at its first start there.'
const longestBytes = 64 * 1024 * 1024
const refusal = z.object({
  code: z.string(),
  class: z.enum(failureClasses),
  message: z.string(),
  hint: z.string().optional(),
})

/**
 * Asks a running `factory serve`, and returns what it answers, parsed. Throws the error that it describes,
 * `factory-not-serving` where nobody answers, `factory-answer-unreadable` where somebody else does.
 */
export async function callFactory(
  address: FactoryAddress,
  method: 'GET' | 'POST',
  path: string,
  body?: object,
  answerMs = usualAnswerMs,
): Promise<unknown> {
  const text = body === undefined ? '' : JSON.stringify(body)
  const headers = {
    Accept: 'application/json',
    ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    ...(method === 'POST' ? { 'Content-Length': Buffer.byteLength(text) } : {}),
  }
  const options = { method, headers, timeout: answerMs, agent: false as const }
  const answer = await ('url' in address
    ? remote(address, path, options, text)
    : local(address.stateDirectory, path, options, text))
  return understood(answer, 'url' in address ? address.url : address.stateDirectory)
}

interface Answer {
  status: number
  text: string
}

async function local(
  stateDirectory: string,
  path: string,
  options: RequestOptions,
  text: string,
): Promise<Answer> {
  try {
    using socket = socketPath(stateDirectory)
    return await exchange(plain({ ...options, socketPath: socket.address, path, host: 'localhost' }), text)
  } catch (error) {
    throw notServing(`in ${stateDirectory}`, 'Start it: factory serve', error)
  }
}

async function remote(
  { url, token }: { url: string; token: string },
  path: string,
  options: RequestOptions,
  text: string,
): Promise<Answer> {
  const target = addressOf(url, path)
  const headers = { ...options.headers, Authorization: `Bearer ${token}` }
  const request = target.protocol === 'https:' ? encrypted : plain
  try {
    return await exchange(request(target, { ...options, headers }), text)
  } catch (error) {
    throw notServing(`at ${url}`, `Try: curl -sS ${new URL('/healthz', target).href}`, error)
  }
}

function addressOf(url: string, path: string): URL {
  const target = URL.parse(path, url)
  if (!target || !/^https?:$/.test(target.protocol))
    throw unusable(
      `${JSON.stringify(url)} is no address of a factory`,
      'Write it like https://factory.example',
    )
  const here = ['localhost', '127.0.0.1', '[::1]'].includes(target.hostname)
  if (target.protocol === 'http:' && !here)
    throw unusable(`the token would go to ${target.host} for everybody to read`, 'Use its https:// address.')
  return target
}

function exchange(request: ReturnType<typeof plain>, text: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request.on('timeout', () => request.destroy(new Error('it takes too long to answer')))
    request.on('error', reject)
    request.on('response', (response) => {
      resolve(read(response))
    })
    request.end(text)
  })
}

async function read(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > longestBytes) throw new Error(`the answer has more than ${longestBytes} bytes`)
    chunks.push(chunk)
  }
  return { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }
}

function understood({ status, text }: Answer, where: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw unreadable(where, status, error)
  }
  if (status >= 200 && status < 300) return value
  const { success, data } = refusal.safeParse(value)
  if (!success) throw unreadable(where, status, undefined)
  const { code, class: failure, message } = data
  const hint = code === 'web-token-missing' ? wrongTokenHint : data.hint
  throw new FactoryError({ code, class: failure, message, ...(hint === undefined ? {} : { hint }) })
}

function notServing(where: string, hint: string, cause: unknown): FactoryError {
  return new FactoryError({
    code: 'factory-not-serving',
    message: `no factory is serving ${where}: ${cause instanceof Error ? cause.message : String(cause)}`,
    hint,
    class: 'user',
    cause,
  })
}

function unusable(message: string, hint: string): FactoryError {
  return new FactoryError({ code: 'factory-address-invalid', message, hint, class: 'user' })
}

function unreadable(where: string, status: number, cause: unknown): FactoryError {
  return new FactoryError({
    code: 'factory-answer-unreadable',
    message: `${where} answered with ${status} and with nothing that a factory would say`,
    hint: 'Is the address right, and what stands before it?',
    class: 'infra',
    cause,
  })
}
