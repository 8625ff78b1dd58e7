import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import type { Builder, BuilderRef } from '#src/builder/types.ts'
import { runJob } from '#src/container/transcript.ts'
import type { ContainerBuilder } from '#src/container/types.ts'
import type { DiskBuilder } from '#src/disk/types.ts'
import { FactoryError } from '#src/errors.ts'
import type { Ledger } from './ledger.ts'
import type { Points } from './points.ts'
import { archOf } from './scripted-cloud.ts'

const free = 999_999_999_999_999
const places = ['/var/lib/containers', '/var/tmp', '/var/lib/factory']

/** A session with a scripted machine: its jobs go on in the ledger whatever becomes of us. */
export function openScriptedBuilder(
  ref: BuilderRef,
  ledger: Ledger,
  points: Points,
  diskOf: (identity: string, path: string) => string | Buffer = (identity, path) => `${identity} ${path}`,
): Builder {
  const lease = ref.leaseId
  const standing = () => {
    const machine = ledger.standing(lease)
    if (!machine) throw new Error('used after it was given back')
    return machine
  }
  const jobOf = (id: string) => ledger.jobs().find((job) => job.lease === lease && job.id === id)
  const unscripted = (what: string) => () => Promise.reject(new Error(`${what} is not scripted`))
  return {
    ref,
    async exec(argv) {
      const { identity } = standing()
      const command = argv.join(' ')
      const stdout =
        command === 'uname -m' ? ref.arch : command.startsWith('cat /usr/lib') ? identity : storage()
      return { stdout: `${stdout}\n`, stderr: '', exitCode: 0 }
    },
    async writeFile() {
      standing()
    },
    startJob: (id, script) =>
      points.pass(`call startJob ${stable(id)}`, async () => {
        standing()
        ledger.startJob(lease, id, logOf(id, script))
      }),
    async followJob(id, options) {
      standing()
      const log = Buffer.from(jobOf(id)?.log ?? '')
      const middle = options.fromByte + Math.floor((log.length - options.fromByte) / 2)
      for (const chunk of [log.subarray(options.fromByte, middle), log.subarray(middle)]) {
        await points.pass(`call followJob ${stable(id)}`, async () => {
          await options.onBytes?.(chunk)
          for (const line of chunk.toString().split('\n')) if (line !== '') options.onLine(line)
        })
      }
      return { exitCode: 0, logBytes: log.length }
    },
    async jobLog(id) {
      const log = jobOf(id)?.log ?? ''
      return { sizeBytes: Buffer.byteLength(log), sha256: createHash('sha256').update(log).digest('hex') }
    },
    stopJob: unscripted('stopJob'),
    async sendTree() {
      standing()
    },
    fetch: (path, destination) =>
      points.pass(`call fetch ${ref.arch}`, async () => {
        const content = diskOf(standing().identity, path)
        writeFileSync(destination, content)
        const sha256 = createHash('sha256').update(content).digest('hex')
        return { sha256, sizeBytes: content.length, contentBytes: content.length, extents: [] }
      }),
    async [Symbol.asyncDispose]() {},
  }
}

/** Container builds as jobs: `failing` names the architectures whose Containerfile fails. */
export function scriptedContainer(ledger: Ledger, failing: readonly string[]): ContainerBuilder {
  return {
    probe: () => Promise.resolve({ version: '5' }),
    async build(builder, request, ctx) {
      const { jobId, logDirectory, limitMs, arch, identity, tag } = request
      const deadline = ctx.now() + limitMs
      await runJob(builder, { id: `${jobId}-layers`, script: identity, deadline, logDirectory }, ctx)
      if (failing.includes(arch)) {
        throw new FactoryError({ code: 'containerfile-failed', message: 'a RUN failed', class: 'user' })
      }
      ledger.setIdentity(builder.ref.leaseId, identity)
      return { imageId: 'sha256:1', tag, sizeBytes: 1 }
    },
    push: () => Promise.resolve({ digest: `sha256:${'f'.repeat(64)}` }),
  }
}

export function scriptedDisk(virtualBytes = 2000): DiskBuilder {
  return {
    makes: () => true,
    async build(builder, request, ctx) {
      const { jobId, logDirectory, limitMs, formats } = request
      const deadline = ctx.now() + limitMs
      await runJob(builder, { id: `${jobId}-disks`, script: 'disks', deadline, logDirectory }, ctx)
      return formats.map((format) => ({
        format,
        path: `/out/${format}`,
        sizeBytes: 1000,
        virtualBytes,
      }))
    },
  }
}

function logOf(id: string, script: string): string {
  return `job ${id} begins\n${script}\n${'one more line of a long log\n'.repeat(20)}job ${id} ends\n`
}

function storage(): string {
  return places.map((place) => `free ${place} 1 ${free}`).join('\n')
}

/** A job's name without what is drawn by chance. */
function stable(id: string): string {
  const [lease = '', step = ''] = id.split(/(?<=-[0-9a-f]{10})-/)
  return `${archOf(lease)} ${step}`
}
