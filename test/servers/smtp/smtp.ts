import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Certificate } from '#test/servers/certificate.ts'

export interface Mail {
  readonly from: string
  readonly to: readonly string[]
  /** Who had logged in. */
  readonly user: string | null
  /** Whether it came over TLS. */
  readonly tls: boolean
  /** Headers by lower-case name, unfolded; of a name that stands there twice all, in their order. */
  readonly headers: Readonly<Record<string, readonly string[]>>
  /** Decoded. */
  readonly text: string
}

export interface SmtpServer extends AsyncDisposable {
  readonly port: number
  /** Ends the server; all mails that it took, in the order in which they came. */
  mails(): Promise<readonly Mail[]>
}

export interface SmtpOptions {
  tls: 'required' | 'starttls' | 'none'
  certificate?: Certificate
  /** The only one that may send. */
  account?: readonly [user: string, password: string]
  /** Recipients that are refused. */
  unknown?: readonly string[]
  /** What the next mails meet: an answer, or `lost`, which takes the mail and breaks the connection. */
  faults?: readonly string[]
}

const program = new URL('server.py', import.meta.url).pathname

/** Starts Debian's aiosmtpd on a free loopback port and returns when it listens. */
export async function startSmtp({ certificate, ...options }: SmtpOptions): Promise<SmtpServer> {
  const files = certificate
    ? { certificateFile: certificate.certificateFile, keyFile: certificate.keyFile }
    : {}
  // The kernel ends it with us, also when we are killed.
  const argv = [
    '--pdeathsig',
    'KILL',
    '/usr/bin/python3',
    '-I',
    program,
    JSON.stringify({ ...options, ...files }),
  ]
  const server = spawn('setpriv', argv, { stdio: ['ignore', 'pipe', 'pipe'] })
  const complaints: string[] = []
  server.stderr.on('data', (part: Buffer) => complaints.push(String(part)))
  const ended = once(server, 'close')
  const mails: Mail[] = []
  const { promise: listening, resolve } = Promise.withResolvers<number>()
  const told = createInterface(server.stdout)
  const allTold = once(told, 'close')
  told.on('line', (line) => {
    const thing = JSON.parse(line) as { port: number } | StoredMail
    if ('port' in thing) resolve(thing.port)
    else mails.push(mailOf(thing))
  })
  const died = ended.then(() => Promise.reject(new Error(`aiosmtpd ended: ${complaints.join('')}`)))
  const port = await Promise.race([listening, died])
  died.catch(() => {})
  return {
    port,
    async mails() {
      server.kill('SIGKILL')
      await allTold
      return mails
    },
    async [Symbol.asyncDispose]() {
      server.kill('SIGKILL')
      await ended
    },
  }
}

type StoredMail = Pick<Mail, 'from' | 'to' | 'user' | 'tls'> & { content: string }

function mailOf({ content, ...facts }: StoredMail): Mail {
  const whole = Buffer.from(content, 'base64').toString('latin1')
  const end = whole.indexOf('\r\n\r\n')
  const headers: Record<string, string[]> = {}
  for (const line of whole
    .slice(0, end)
    .replaceAll(/\r\n[ \t]+/g, ' ')
    .split('\r\n')) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    ;(headers[name] ??= []).push(line.slice(colon + 1).trim())
  }
  const body = whole.slice(end + 4)
  return { ...facts, headers, text: decoded(body, headers['content-transfer-encoding']?.[0]) }
}

function decoded(body: string, encoding = '7bit'): string {
  if (encoding === 'base64') return Buffer.from(body, 'base64').toString('utf8')
  if (encoding !== 'quoted-printable') return Buffer.from(body, 'latin1').toString('utf8')
  const bytes = body
    .replaceAll(/=\r\n/g, '')
    .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
