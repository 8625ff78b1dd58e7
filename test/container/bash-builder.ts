import { createHash } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import type { ArchitectureName } from '#arch/index.ts'
import { splitLines } from '#src/builder/lines.ts'
import type { Builder } from '#src/builder/types.ts'
import type { Context, Progress } from '#src/context.ts'
import { emptyStore, type Store } from './podman-store.ts'

const allowed = ['bash', 'cat', 'chmod', 'find', 'head', 'mkdir', 'mktemp', 'od', 'rm']

export interface BashBuilder extends Builder {
  /** A directory that stands for the builder's disk. */
  readonly directory: string
  /** Every job that was started, oldest first. */
  readonly jobs: { id: string; script: string }[]
  /** Reads and changes what the stand-in for podman knows. */
  store(change?: (store: Store) => void): Promise<Store>
}

/**
 * A stand-in for a builder, stricter than a real one: it runs scripts with the real bash, but there is nothing on its
 * PATH except a few tools and a stand-in for podman that refuses every argument that it does not know.
 */
export async function bashBuilder(arch: ArchitectureName = 'x86_64'): Promise<BashBuilder> {
  const directory = await mkdtemp(join(tmpdir(), 'bash-builder-'))
  const tools = join(directory, 'tools')
  await mkdir(tools)
  for (const tool of allowed) await symlink(`/usr/bin/${tool}`, join(tools, tool))
  const standIn = fileURLToPath(new URL('podman-stand-in.ts', import.meta.url))
  await writeFile(join(tools, 'podman'), `#!/bin/sh\nexec '${process.execPath}' '${standIn}' "$@"\n`)
  await chmod(join(tools, 'podman'), 0o755)
  const storeFile = join(directory, 'store.json')
  await writeFile(storeFile, JSON.stringify(emptyStore(arch)))

  const jobs: { id: string; script: string }[] = []
  const running = new Map<string, Promise<{ all: string; exitCode?: number | undefined }>>()
  const env = { PATH: tools, TMPDIR: directory, PODMAN_STORE: storeFile, NODE_NO_WARNINGS: '1' }

  return {
    ref: {
      leaseId: 'lease-1',
      arch,
      machine: `builder-${arch}`,
      address: { host: '127.0.0.1', port: 22 },
      user: 'root',
      hostPublicKey: 'ssh-ed25519 AAAA',
    },
    directory,
    jobs,
    async store(change) {
      const store: Store = JSON.parse(await readFile(storeFile, 'utf8'))
      change?.(store)
      await writeFile(storeFile, JSON.stringify(store))
      return store
    },
    async exec(argv, options = {}) {
      const [command = '', ...words] = argv
      if (command !== 'podman' && !allowed.includes(command))
        throw new Error(`not on this builder: ${command}`)
      const result = await execa(join(tools, command), words, { env, extendEnv: false, reject: false })
      const exitCode = result.exitCode ?? 255
      const accept = options.accept ?? [0]
      if (accept !== 'any' && !accept.includes(exitCode))
        throw new Error(`${argv.join(' ')}: ${result.stderr}`)
      return { stdout: result.stdout, stderr: result.stderr, exitCode }
    },
    async startJob(id, script) {
      if (!/^[a-z0-9][a-z0-9-]{0,79}$/.test(id)) throw new Error(`no job id: ${id}`)
      const before = jobs.find((job) => job.id === id)
      if (before && before.script !== script) throw new Error(`job ${id} was started with another script`)
      if (before) return
      jobs.push({ id, script })
      const file = join(directory, `${id}.sh`)
      await writeFile(file, `set -euo pipefail\n${script}`)
      const output = { all: true, reject: false, stripFinalNewline: false } as const
      running.set(id, execa(join(tools, 'bash'), [file], { env, extendEnv: false, ...output }))
    },
    async followJob(id, options) {
      const job = running.get(id)
      if (!job) throw new Error(`no such job: ${id}`)
      const result = await job
      const log = Buffer.from(result.all)
      const fresh = log.subarray(options.fromByte)
      const lines = splitLines(options.onLine)
      for await (const bytes of options.earlier ?? []) lines.push(bytes)
      await options.onBytes?.(fresh)
      lines.push(fresh)
      lines.end()
      return { exitCode: result.exitCode ?? 255, logBytes: log.length }
    },
    async jobLog(id, firstBytes) {
      const log = Buffer.from((await running.get(id))?.all ?? '').subarray(0, firstBytes)
      return { sizeBytes: log.length, sha256: createHash('sha256').update(log).digest('hex') }
    },
    async writeFile() {
      throw new Error('not needed')
    },
    async stopJob() {},
    async sendTree() {},
    async fetch() {
      throw new Error('not needed')
    },
    async [Symbol.asyncDispose]() {
      await rm(directory, { recursive: true, force: true })
    },
  }
}

export interface RecordingContext extends Context {
  readonly emitted: Progress[]
  readonly logged: string[]
  readonly slept: number[]
}

/** A context that notes everything and sleeps no time at all. */
export function recordingContext(signal: AbortSignal = new AbortController().signal): RecordingContext {
  const emitted: Progress[] = []
  const logged: string[] = []
  const slept: number[] = []
  return {
    signal,
    emitted,
    logged,
    slept,
    emit: (progress) => void emitted.push(progress),
    log: (line) => void logged.push(line),
    now: Date.now,
    sleep: async (ms) => void slept.push(ms),
  }
}
