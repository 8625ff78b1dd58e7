import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { freePort } from './free-port.ts'

export interface RegistryServer extends AsyncDisposable {
  readonly port: number
  /** The host part of references: `localhost:PORT`. */
  readonly host: string
}

export interface RegistryOptions {
  /** Where blobs are kept; without it a temporary directory that goes when the server is disposed of. */
  directory?: string
  /** Without it any free port. */
  port?: number
}

const readyWithinMs = 10_000

/** Starts Debian's docker-registry on the loopback address and returns when it answers; plain HTTP, deletion allowed. */
export async function startRegistry(options: RegistryOptions = {}): Promise<RegistryServer> {
  const temporary = options.directory === undefined ? await mkdtemp(join(tmpdir(), 'registry-')) : undefined
  const directory = options.directory ?? join(temporary as string, 'storage')
  const port = options.port ?? (await freePort())
  const configuration = await writeRegistryConfiguration(directory, port)

  const server = execa('docker-registry', ['serve', configuration], { all: true, reject: false })
  const ended = server.then((result) => {
    throw new Error(`docker-registry ended by itself: ${result.all}`)
  })
  try {
    await Promise.race([registryAnswers(port, readyWithinMs), ended])
  } catch (error) {
    server.kill()
    throw error
  }
  ended.catch(() => {})

  return {
    port,
    host: `localhost:${port}`,
    async [Symbol.asyncDispose]() {
      server.kill()
      await server
      if (temporary !== undefined) await rm(temporary, { recursive: true, force: true })
    },
  }
}

/** Writes the configuration beside the storage directory and returns its path; makes the directory. */
export async function writeRegistryConfiguration(directory: string, port: number): Promise<string> {
  await mkdir(directory, { recursive: true })
  const configuration = {
    version: '0.1',
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: directory }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}` },
  }
  const path = `${directory}.yml`
  // JSON is YAML.
  await writeFile(path, JSON.stringify(configuration, undefined, 2))
  return path
}

/** Resolves when a registry answers on the loopback port; rejects after `withinMs` milliseconds. */
export async function registryAnswers(port: number, withinMs: number): Promise<void> {
  const deadline = AbortSignal.timeout(withinMs)
  while (!(await isRegistry(port))) {
    if (deadline.aborted) throw new Error(`no registry answers on 127.0.0.1:${port} after ${withinMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Whether whatever listens on the loopback port speaks the registry protocol. */
export async function isRegistry(port: number): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/v2/`, { signal: AbortSignal.timeout(2000) })
    await answer.body?.cancel()
    return answer.headers.get('docker-distribution-api-version') === 'registry/2.0'
  } catch {
    return false
  }
}
