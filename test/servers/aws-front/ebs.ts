import { createHash } from 'node:crypto'
import type { Call, Operation } from './call.ts'
import { openSnapshot, startUpstream } from './open-snapshot.ts'
import { fingerprint } from './query.ts'
import { Refusal } from './refusal.ts'
import { blockBytes, done, json } from './rest.ts'
import { seal, snapshotNamed } from './snapshots.ts'
import type { SnapshotRecord } from './snapshots.ts'
import type { World } from './world.ts'

const limits = { volumeGiB: [1, 65_536], timeoutMinutes: [10, 4320], tags: 50 } as const

/** Checks what moto ignores and keeps the promise of the client token: https://docs.aws.amazon.com/ebs/latest/userguide/ebs-direct-api-idempotency.html */
export const startSnapshot: Operation = async (call, world) => {
  const { parameters, region } = call
  const volumeGiB = within('VolumeSize', parameters['VolumeSize'], limits.volumeGiB)
  const timeoutMinutes = within('Timeout', parameters['Timeout'] ?? '60', limits.timeoutMinutes)
  const tags = tagsIn(parameters['Tags'])
  if (parameters['ParentSnapshotId'] !== undefined)
    throw invalid('INVALID_PARAMETER_VALUE', 'this front knows no parent snapshots')
  const body = await world.tokens.once({
    scope: `StartSnapshot ${region}`,
    token: parameters['ClientToken'],
    fingerprint: fingerprint(asked(parameters)),
    mismatch: () =>
      new Refusal({
        code: 'ConflictException',
        status: 409,
        message: 'The client token was used before with other parameters',
      }),
    first: async () => {
      const said = await startUpstream(world, region, call.body)
      openSnapshot(world, region, said.SnapshotId, volumeGiB, timeoutMinutes)
      return { ...said, BlockSize: blockBytes, Status: 'pending', Tags: tags }
    },
  })
  const record = snapshotNamed(world, region, body.SnapshotId)
  const status = record?.phase === 'completed' || record?.phase === 'error' ? record.phase : 'pending'
  return json(201, { ...body, Status: status })
}

/** The count and, when it is given, the checksum decide what becomes of the snapshot; both are said to be wrong only later, by its state. */
export const completeSnapshot: Operation = async (call, world) => {
  const { parameters, region } = call
  const record = needOpen(world, region, parameters['SnapshotId'] ?? '')
  const count = parameters['x-amz-changedblockscount']
  if (count === undefined || !/^\d+$/.test(count))
    throw invalid('INVALID_PARAMETER_VALUE', 'x-amz-ChangedBlocksCount is missing or no number')
  const checksum = parameters['x-amz-checksum']
  if (checksum !== undefined) needLinear(call)
  done(await world.upstream.forward(call))
  seal(world, record, wrongAbout(record, Number(count), checksum))
  return json(202, { Status: 'pending' })
}

/** The snapshot that takes blocks; refuses any other as EBS direct does. */
export function needOpen(world: World, region: string, id: string): SnapshotRecord {
  const record = needKnown(world, region, id)
  if (record.phase !== 'open')
    throw invalid('INVALID_SNAPSHOT_ID', `The snapshot '${id}' is not in the pending state`)
  return record
}

export function needKnown(world: World, region: string, id: string): SnapshotRecord {
  const record = snapshotNamed(world, region, id)
  if (record) return record
  throw new Refusal({
    code: 'ResourceNotFoundException',
    status: 404,
    reason: 'SNAPSHOT_NOT_FOUND',
    message: `The snapshot '${id}' does not exist.`,
  })
}

export function invalid(reason: string, message: string): Refusal {
  return new Refusal({ code: 'ValidationException', reason, message })
}

/** Base64 SHA-256 over the digests of the blocks in the order of their index. */
export function linearChecksum(digests: ReadonlyMap<number, Buffer>): string {
  const hash = createHash('sha256')
  for (const [, digest] of [...digests].toSorted(([a], [b]) => a - b)) hash.update(digest)
  return hash.digest('base64')
}

/** The body as it was asked for; headers differ between two tries. */
function asked(parameters: Call['parameters']) {
  const body = Object.entries(parameters).filter(([name]) => !name.startsWith('x-amz-'))
  return Object.fromEntries(body)
}

function wrongAbout(record: SnapshotRecord, count: number, checksum: string | undefined): string | undefined {
  const { size } = record.digests
  if (count !== size) return `${count} blocks were said to have changed, ${size} were put`
  if (checksum !== undefined && checksum !== linearChecksum(record.digests))
    return 'the checksum over the blocks is another one'
  return undefined
}

function needLinear({ parameters }: Call): void {
  if (parameters['x-amz-checksum-algorithm'] !== 'SHA256')
    throw invalid('INVALID_PARAMETER_VALUE', 'x-amz-Checksum-Algorithm has to be SHA256')
  if (parameters['x-amz-checksum-aggregation-method'] !== 'LINEAR')
    throw invalid('INVALID_PARAMETER_VALUE', 'x-amz-Checksum-Aggregation-Method has to be LINEAR')
}

function within(name: string, said: string | undefined, [least, most]: readonly [number, number]): number {
  const value = Number(said)
  if (said === undefined || !Number.isInteger(value) || value < least || value > most)
    throw invalid('INVALID_PARAMETER_VALUE', `${name} has to be between ${least} and ${most}, not ${said}`)
  return value
}

function tagsIn(said: string | undefined): { Key: string; Value: string }[] {
  const tags = JSON.parse(said ?? '[]') as { Key: string; Value: string }[]
  const isBad = tags.some(({ Key }) => Key === '' || Key.length > 127 || Key.startsWith('aws:'))
  if (isBad || tags.length > limits.tags)
    throw invalid('INVALID_TAG', `at most ${limits.tags} tags, with keys of 1 to 127 characters`)
  return tags
}
