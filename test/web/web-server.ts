import { mkdtemp, rm } from 'node:fs/promises'
import { type IncomingHttpHeaders, type RequestOptions, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ServeConfiguration } from '#src/config/types.ts'
import { type ListenOptions, type Listening, listen } from '#src/web/listen.ts'
import { scriptedServing } from './scripted-serving.ts'

export type ScriptedServing = ReturnType<typeof scriptedServing>

export interface WebServer extends ScriptedServing, AsyncDisposable {
  listening: Listening
  token: string
  stateDirectory: string
  /** The name and port that a browser would use. */
  host: string
  ask(path: string, options?: Asking): Promise<Answer>
}

export interface Asking extends RequestOptions {
  body?: string | Buffer
  /** Send the token; true unless said otherwise. */
  bearer?: boolean
}

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  text: string
}

/** A scripted factory behind a real server on loopback, with a state directory of its own. */
export async function webServer(
  serve: Partial<ServeConfiguration> = {},
  options: ListenOptions = {},
  script: typeof scriptedServing = scriptedServing,
): Promise<WebServer> {
  const stateDirectory = await mkdtemp(join(tmpdir(), 'web-'))
  const scripted = script({
    stateDirectory,
    serve: { host: '127.0.0.1', port: 0, hosts: [], ...serve },
  })
  const listening = await listen(scripted.serving, options)
  const { host } = new URL(listening.url)
  const token = listening.token!
  return {
    ...scripted,
    listening,
    token,
    stateDirectory,
    host,
    ask: (path, { bearer = true, ...asking } = {}) =>
      ask(new URL(path, listening.url), {
        ...asking,
        headers: { ...(bearer ? { authorization: `Bearer ${token}` } : {}), ...asking.headers },
      }),
    async [Symbol.asyncDispose]() {
      await listening.close()
      await rm(stateDirectory, { recursive: true })
    },
  }
}

/** One request, with whatever headers: also those that `fetch` would not send. */
export function ask(url: URL, { body, ...options }: Asking): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { agent: false, ...options })
    asked.on('error', reject)
    asked.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (text += chunk))
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
    })
    asked.end(body)
  })
}

export function json(value: object): Pick<Asking, 'method' | 'headers' | 'body'> {
  return { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) }
}

export function form(fields: Record<string, string>): Pick<Asking, 'method' | 'headers' | 'body'> {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(fields).toString(),
  }
}
