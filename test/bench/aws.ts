/*
 * Measures what sending a disk image to AWS costs, against what others send, to one emulator in the same run:
 *
 *   npm run bench:aws             prints seconds, bytes on the wire, requests and peak memory
 *   npm run bench:aws -- --check  exits 1 when a target is missed
 *   … -- --size GiB --data GiB    another disk than 10 GiB with 2 GiB of data
 *
 * Ours is the snapshot as the factory makes it: the blocks that hold anything, by EBS direct. The same with holes sent is
 * what other senders of snapshots do; `aws s3 cp` of the raw file is the first half of the way through a bucket. Each runs
 * in a process of its own and ends with its last byte acknowledged. The emulator is slower than AWS, the same for all.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { execa } from 'execa'
import { formatBytes } from '#src/units.ts'
import { type AwsFront, startAwsFront } from '#test/servers/aws-front/front.ts'
import { startMoto } from '#test/servers/moto.ts'

const MiB = 1024 ** 2
const GiB = 1024 ** 3
const pieceBytes = 32 * MiB
const bytesTarget = 1.02
const fewerBytesTarget = 4
const fasterTarget = 2

const { values } = parseArgs({
  options: {
    check: { type: 'boolean', default: false },
    size: { type: 'string', default: '10' },
    data: { type: 'string', default: '2' },
  },
})
const sizeBytes = Number(values.size) * GiB
const dataBytes = Number(values.data) * GiB
const credentials = {
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_DEFAULT_REGION: 'us-east-1',
}

interface Result {
  name: string
  seconds: number
  wireBytes: number
  requests: number
  peakBytes: number
}

process.exitCode = (await main()) || !values.check ? 0 : 1

async function main(): Promise<boolean> {
  const scratch = await mkdtemp('/var/tmp/factory-bench-')
  try {
    const disk = join(scratch, 'disk.raw')
    await makeDisk(disk)
    console.log(`${formatBytes(sizeBytes)} disk with ${formatBytes(dataBytes)} of data`)
    const program = new URL('./aws-ours.ts', import.meta.url).pathname
    const ours = (how: string, endpoint: string) => [process.execPath, program, how, endpoint, disk, scratch]
    const results = [
      await measure('ours', (endpoint) => ours('blocks', endpoint)),
      await measure('ours, holes sent', (endpoint) => ours('everything', endpoint)),
      await measure('aws s3 cp', (endpoint) => [
        'aws',
        '--endpoint-url',
        endpoint,
        's3',
        'cp',
        '--no-progress',
        disk,
        's3://bench/disk.raw',
      ]),
    ]
    return judge(results)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function measure(name: string, argv: (endpoint: string) => string[]): Promise<Result> {
  await using moto = await startMoto()
  await using front = await startAwsFront({ upstream: moto.endpoint })
  await makeBucket(front)
  front.forgetRequests()
  const startedAt = performance.now()
  const { stderr } = await execa('/usr/bin/env', ['time', '-f', 'peak %M', ...argv(front.endpoint)], {
    env: credentials,
  })
  const seconds = (performance.now() - startedAt) / 1000
  const peakKiB = Number(/^peak (\d+)$/m.exec(stderr)?.[1])
  const result = {
    name,
    seconds,
    wireBytes: front.bodyBytes,
    requests: front.requests.length,
    peakBytes: peakKiB * 1024,
  }
  console.log(row(result))
  return result
}

function row({ name, seconds, wireBytes, requests, peakBytes }: Result): string {
  const perData = (wireBytes / dataBytes).toFixed(2)
  const facts = `${formatBytes(wireBytes).padStart(10)} sent, ${perData} × data, ${requests} requests`
  return `  ${name.padEnd(18)} ${seconds.toFixed(1).padStart(7)} s  ${facts}, peak memory ${formatBytes(peakBytes)}`
}

function judge(results: readonly Result[]): boolean {
  const [ours, , bucket] = results as [Result, Result, Result]
  const perData = ours.wireBytes / dataBytes
  const fewer = bucket.wireBytes / ours.wireBytes
  const faster = bucket.seconds / ours.seconds
  console.log(
    `ours sends ${fewer.toFixed(1)} times fewer bytes than the raw upload and is ${faster.toFixed(1)} times faster`,
  )
  const missed = [
    [perData > bytesTarget, `bytes on the wire must be at most ${bytesTarget} × data`],
    [fewer < fewerBytesTarget, `there must be at least ${fewerBytesTarget} times fewer bytes`],
    [faster < fasterTarget, `it must be at least ${fasterTarget} times faster`],
  ] as const
  for (const [is, what] of missed) if (is) console.log(`  missed: ${what}`)
  return !missed.some(([is]) => is)
}

async function makeBucket({ endpoint }: AwsFront): Promise<void> {
  const s3 = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  })
  await s3.send(new CreateBucketCommand({ Bucket: 'bench' }))
}

/** Content in pieces of 32 MiB, spread evenly, as a root file system has its files. */
async function makeDisk(path: string): Promise<void> {
  await using file = await open(path, 'w')
  await file.truncate(sizeBytes)
  const pieces = dataBytes / pieceBytes
  for (let piece = 0; piece < pieces; piece += 1) {
    const offset = Math.floor((piece * sizeBytes) / pieces / MiB) * MiB
    await file.write(randomBytes(pieceBytes), 0, pieceBytes, offset)
  }
  await file.sync()
}
