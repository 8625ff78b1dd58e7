import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from './free-port.ts'
import { imagesFile, motoTree } from './moto-tree.ts'

/** moto, a third-party emulator of AWS, in a process of its own. */
export interface Moto extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`: the endpoint of every service; it tells them apart by the signature's scope. */
  readonly endpoint: string
  /** The account that all credentials belong to. */
  readonly account: string
  /** What moto printed; the file stays after the test when moto itself broke, and is gone otherwise. */
  readonly logFile: string
  /** Forgets everything in all services and regions. */
  reset(): Promise<void>
}

export interface MotoOptions {
  /** Objects a page of an S3 listing that asks for no other number. */
  s3PageSize?: number
  /** Smallest part of a multipart upload but the last, in bytes; S3's own is 5 MiB. */
  s3PartMinBytes?: number
}

const readyWithinMs = 30_000

/** Starts moto on a free loopback port and returns when it answers; the first time makes its tree, in about half a minute. */
export async function startMoto(options: MotoOptions = {}): Promise<Moto> {
  await using started = new AsyncDisposableStack()
  const tree = await motoTree()
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  const directory = await mkdtemp(join(tmpdir(), 'moto-'))
  const logFile = join(directory, 'log')
  started.defer(() => removeUnlessBroken(directory, logFile))
  const log = await open(logFile, 'w')
  // The kernel ends it with us, also when we are killed.
  const argv = ['--pdeathsig', 'KILL', 'chroot', tree, 'moto_server', '-H', '127.0.0.1', '-p', String(port)]
  const server = spawn('setpriv', argv, {
    stdio: ['ignore', log.fd, log.fd],
    env: environment(options),
  })
  const ended = once(server, 'exit')
  await log.close()
  started.defer(async () => {
    server.kill('SIGKILL')
    await ended
  })
  const waiting = new AbortController()
  started.defer(() => waiting.abort())
  await Promise.race([
    answering(endpoint, waiting.signal),
    ended.then(async () => {
      throw new Error(`moto ended before it answered: ${await readFile(logFile, 'utf8')}`)
    }),
  ])
  const held = started.move()
  return {
    endpoint,
    account: '123456789012',
    logFile,
    async reset() {
      const answer = await fetch(`${endpoint}/moto-api/reset`, { method: 'POST' })
      if (!answer.ok) throw new Error(`moto did not reset: ${answer.status} ${await answer.text()}`)
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

function environment({ s3PageSize, s3PartMinBytes }: MotoOptions): Record<string, string> {
  return {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    LC_ALL: 'C.UTF-8',
    PYTHONUNBUFFERED: '1',
    // The tree is shared by all that run.
    PYTHONDONTWRITEBYTECODE: '1',
    // Its own list has hundreds of images a region, each with a snapshot.
    MOTO_AMIS_PATH: imagesFile,
    MOTO_ENABLE_AMI_VALIDATION: 'true',
    MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION: 'true',
    ...(s3PageSize === undefined ? {} : { MOTO_S3_DEFAULT_MAX_KEYS: String(s3PageSize) }),
    ...(s3PartMinBytes === undefined ? {} : { S3_UPLOAD_PART_MIN_SIZE: String(s3PartMinBytes) }),
  }
}

async function answering(endpoint: string, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + readyWithinMs
  while (!signal.aborted) {
    const answer = await fetch(`${endpoint}/moto-api/config`, { signal }).catch(() => undefined)
    await answer?.body?.cancel()
    if (answer?.ok) return
    if (Date.now() > deadline) throw new Error(`moto did not answer at ${endpoint} in ${readyWithinMs} ms`)
    await pause(50)
  }
}

async function removeUnlessBroken(directory: string, logFile: string): Promise<void> {
  const said = await readFile(logFile, 'utf8')
  if (!said.includes('Traceback (most recent call last)')) await rm(directory, { recursive: true })
}
