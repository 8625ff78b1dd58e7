/*
 * Measures what bringing a disk image here costs, against what people use for it, over one sshd on loopback:
 *
 *   npm run bench:transfer             prints seconds and ratios
 *   npm run bench:transfer -- --check  exits 1 when a target is missed
 *   … -- --only sparse|dense           one half of it
 *
 * The sparse disk is 10 GiB with 2 GiB of content in 64 pieces, taken from this machine's own /usr as a root file
 * system would hold it. The dense one is 1 GiB of random bytes. Everything is in the page cache for everybody. Ours is
 * the whole call: look at the file, connect, move, hash on both sides, sync, rename. The others neither hash nor sync.
 */
import { mkdtemp, open, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { execa } from 'execa'
import { startSshServer } from '#test/servers/sshd.ts'
import type { SshServer } from '#test/servers/sshd.ts'
import { formatBytes } from '#src/units.ts'
import type { OursResult, OursTask } from './transfer-ours.ts'

const GiB = 1024 ** 3
const MiB = 1024 ** 2
const sparseTarget = 3
const denseTarget = 1.1
const memoryTargetBytes = 256 * MiB
const scratchBytes = 16 * GiB

interface Rival {
  name: string
  /** A bash program; `$1` is the destination, then come the ssh options, the last one being the host. */
  script: string
}

const split = 'to=$1; shift; ssh=("${@:1:$#-1}"); host=${@: -1};'
const sparseRivals: readonly Rival[] = [
  { name: 'scp', script: `${split} scp -q "\${ssh[@]}" "$host:$SOURCE" "$to"` },
  { name: 'rsync -S', script: `${split} rsync -S -e "ssh \${ssh[*]}" "$host:$SOURCE" "$to"` },
  { name: 'gzip | ssh | gunzip', script: 'to=$1; shift; ssh "$@" "gzip < $SOURCE" | gunzip > "$to"' },
]
const denseRivals: readonly Rival[] = [
  { name: 'ssh cat', script: 'to=$1; shift; ssh "$@" "cat $SOURCE" > "$to"' },
  {
    name: 'ssh cat, with our cipher',
    script: 'to=$1; shift; ssh -c aes128-gcm@openssh.com "$@" "cat $SOURCE" > "$to"',
  },
]

const { values } = parseArgs({
  options: { check: { type: 'boolean', default: false }, only: { type: 'string' } },
})
process.exitCode = (await main()) || !values.check ? 0 : 1

async function main(): Promise<boolean> {
  const scratch = await mkdtemp('/var/tmp/factory-bench-')
  const stop = () => void rm(scratch, { recursive: true, force: true }).then(() => process.exit(130))
  process.once('SIGINT', stop)
  try {
    const { bavail, bsize } = await statfs(scratch)
    if (bavail * bsize < scratchBytes)
      throw new Error(`${scratch} needs ${formatBytes(scratchBytes)} of free space`)
    await using server = await startSshServer({ settings: ['Subsystem sftp internal-sftp'] })
    const sparseOk = values.only === 'dense' || (await measureSparse(server, scratch))
    const denseOk = values.only === 'sparse' || (await measureDense(server, scratch))
    return sparseOk && denseOk
  } finally {
    process.off('SIGINT', stop)
    await rm(scratch, { recursive: true, force: true })
  }
}

async function measureSparse(server: SshServer, scratch: string): Promise<boolean> {
  const source = join(scratch, 'sparse.raw')
  const packed = await makeSparse(source)
  console.log(`10 GiB disk with 2 GiB of content (zstd -1 makes ${formatBytes(packed)} of it)`)
  const ours = [await bring(server, source, scratch), await bring(server, source, scratch)]
  const others = await runRivals(sparseRivals, server, source, scratch)
  ours.push(await bring(server, source, scratch))
  await checkDigest(source, ours)
  const seconds = median(ours.map((result) => result.seconds))
  const peakBytes = Math.max(...ours.map((result) => result.peakBytes))
  console.log(row('ours (median of 3)', seconds, `peak memory ${formatBytes(peakBytes)}`))
  let ok = peakBytes < memoryTargetBytes
  if (!ok) console.log(`  missed: peak memory must stay under ${formatBytes(memoryTargetBytes)}`)
  for (const { name, seconds: theirs } of others) {
    const ratio = theirs / seconds
    console.log(row(name, theirs, `ours is ${ratio.toFixed(1)} times faster`))
    if (ratio < sparseTarget) {
      console.log(`  missed: ours must be ${sparseTarget} times faster`)
      ok = false
    }
  }
  await rm(source)
  return ok
}

async function measureDense(server: SshServer, scratch: string): Promise<boolean> {
  const source = join(scratch, 'dense.raw')
  await execa('bash', ['-c', 'head -c 1G /dev/urandom > "$1"; sync "$1"', 'bash', source])
  console.log('\n1 GiB of random bytes, best of 5, in turns')
  const ours: OursResult[] = []
  const theirs: { name: string; seconds: number }[] = []
  for (const _ of [1, 2, 3, 4, 5]) {
    ours.push(await bring(server, source, scratch))
    theirs.push(...(await runRivals(denseRivals, server, source, scratch)))
  }
  await checkDigest(source, ours)
  const seconds = Math.min(...ours.map((result) => result.seconds))
  console.log(
    row('ours', seconds, `peak memory ${formatBytes(Math.max(...ours.map((result) => result.peakBytes)))}`),
  )
  for (const { name } of denseRivals) {
    const best = Math.min(...theirs.filter((result) => result.name === name).map((result) => result.seconds))
    console.log(row(name, best, `ours takes ${(seconds / best).toFixed(2)} times as long`))
  }
  const plain = Math.min(...theirs.filter(({ name }) => name === 'ssh cat').map((result) => result.seconds))
  const ok = seconds / plain <= denseTarget
  if (!ok) console.log(`  missed: ours must not take more than ${denseTarget} times as long as ssh cat`)
  return ok
}

/** Ours, in a process of its own so that its memory is its own. */
async function bring(server: SshServer, source: string, scratch: string): Promise<OursResult> {
  const destination = join(scratch, 'ours')
  const task: OursTask = {
    ref: server.ref,
    privateKeyFile: server.access.privateKeyFile,
    source,
    destination,
  }
  const program = new URL('./transfer-ours.ts', import.meta.url).pathname
  const { stdout } = await execa(process.execPath, [program], { input: JSON.stringify(task) })
  await settle(destination)
  return JSON.parse(stdout) as OursResult
}

async function runRivals(rivals: readonly Rival[], server: SshServer, source: string, scratch: string) {
  const results: { name: string; seconds: number }[] = []
  for (const { name, script } of rivals) {
    const destination = join(scratch, 'theirs')
    const startedAt = performance.now()
    await execa('bash', ['-euo', 'pipefail', '-c', script, 'bash', destination, ...sshWords(server)], {
      env: { SOURCE: source },
    })
    results.push({ name, seconds: (performance.now() - startedAt) / 1000 })
    const [theirs, original] = [await stat(destination), await stat(source)]
    if (theirs.size !== original.size) throw new Error(`${name} brought ${theirs.size} bytes`)
    await settle(destination)
  }
  return results
}

/** The host key is not what is measured: everybody but us takes it as it comes. */
function sshWords(server: SshServer): string[] {
  const settings = {
    UserKnownHostsFile: '/dev/null',
    StrictHostKeyChecking: 'no',
    LogLevel: 'ERROR',
    IdentityFile: server.access.privateKeyFile,
    IdentitiesOnly: 'yes',
    Port: String(server.ref.address.port),
  }
  return [
    '-F/dev/null',
    ...Object.entries(settings).map(([key, value]) => `-o${key}=${value}`),
    'root@127.0.0.1',
  ]
}

/** Nobody pays for writing back what the one before left behind. */
async function settle(path: string): Promise<void> {
  await rm(path)
  await execa('sync', ['-f', join(path, '..')])
}

async function makeSparse(path: string): Promise<number> {
  const pieceBytes = 32 * MiB
  const tar = execa('tar', ['-C', '/', '--ignore-failed-read', '-cf', '-', 'usr'], {
    buffer: false,
    reject: false,
    stderr: 'ignore',
    encoding: 'buffer',
  })
  await using file = await open(path, 'w')
  await file.truncate(10 * GiB)
  let done = 0
  for await (const chunk of tar.iterable({ binary: true })) {
    for (let bytes = chunk.subarray(0, 2 * GiB - done); bytes.length > 0;) {
      const inPiece = done % pieceBytes
      const part = bytes.subarray(0, pieceBytes - inPiece)
      await file.write(part, 0, part.length, Math.floor(done / pieceBytes) * 160 * MiB + inPiece)
      done += part.length
      bytes = bytes.subarray(part.length)
    }
    if (done === 2 * GiB) break
  }
  if (done < 2 * GiB) throw new Error(`/usr holds ${formatBytes(done)} only; 2 GiB are needed`)
  await file.sync()
  const { stdout } = await execa('bash', [
    '-c',
    'tar -S -cf - "$1" 2>/dev/null | zstd -q -1 -T0 | wc -c',
    'bash',
    path,
  ])
  return Number(stdout)
}

async function checkDigest(source: string, results: readonly OursResult[]): Promise<void> {
  const { stdout } = await execa('openssl', ['dgst', '-sha256', '-r', source])
  for (const { sha256 } of results) {
    if (sha256 !== stdout.slice(0, 64))
      throw new Error(`ours says sha256 ${sha256}, openssl ${stdout.slice(0, 64)}`)
  }
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] as number
}

function row(name: string, seconds: number, remark: string): string {
  return `  ${name.padEnd(26)} ${seconds.toFixed(1).padStart(6)} s   ${remark}`
}
