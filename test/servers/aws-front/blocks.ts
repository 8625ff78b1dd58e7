import { createHash } from 'node:crypto'
import type { Answer, Call, Operation } from './call.ts'
import { invalid, needKnown, needOpen } from './ebs.ts'
import { Refusal } from './refusal.ts'
import { blockBytes, blocksPerGiB, done, json } from './rest.ts'
import type { SnapshotRecord } from './snapshots.ts'
import type { World } from './world.ts'

const smallestPage = 100
const largestPage = 10_000

/** A block is believed only when its bytes have the length and the SHA-256 that the request says. */
export const putSnapshotBlock: Operation = async (call, world) => {
  const { parameters, region, body } = call
  const record = needOpen(world, region, parameters['SnapshotId'] ?? '')
  const index = Number(parameters['BlockIndex'])
  if (!Number.isInteger(index) || index < 0 || index >= record.volumeGiB * blocksPerGiB)
    throw invalid('INVALID_BLOCK', `block ${parameters['BlockIndex']} is outside of ${record.volumeGiB} GiB`)
  if (parameters['x-amz-data-length'] !== String(blockBytes) || body.length !== blockBytes)
    throw invalid('INVALID_PARAMETER_VALUE', `a block and its x-amz-Data-Length are ${blockBytes} bytes`)
  if (parameters['x-amz-checksum-algorithm'] !== 'SHA256')
    throw invalid('INVALID_PARAMETER_VALUE', 'x-amz-Checksum-Algorithm has to be SHA256')
  const digest = call.bodySha256 ?? createHash('sha256').update(body).digest()
  const checksum = digest.toString('base64')
  if (parameters['x-amz-checksum'] !== checksum)
    throw invalid('INVALID_BLOCK', 'x-amz-Checksum is not the SHA-256 of the block')
  done(await world.upstream.forward(call))
  record.digests.set(index, digest)
  record.lastWriteAt = Date.now()
  const headers = { 'x-amz-checksum': checksum, 'x-amz-checksum-algorithm': 'SHA256' }
  return { status: 201, headers: { ...headers, 'content-type': 'application/json' }, body: Buffer.from('{}') }
}

/** In order and in pages; "The snapshot can be accessed only if it has a completed status": https://docs.aws.amazon.com/ebs/latest/userguide/ebsapi-faq.html */
export const listSnapshotBlocks: Operation = async (call, world) => {
  const { parameters, region } = call
  const record = needReadable(world, region, parameters['SnapshotId'] ?? '')
  const asked = Number(parameters['maxResults'] ?? largestPage)
  if (!(asked >= smallestPage && asked <= largestPage))
    throw invalid(
      'INVALID_PARAMETER_VALUE',
      `MaxResults has to be between ${smallestPage} and ${largestPage}`,
    )
  const from = startOfPage(parameters)
  const indexes = [...record.digests.keys()].toSorted((a, b) => a - b).filter((index) => index >= from)
  const page = indexes.slice(0, Math.min(asked, world.settings.pageSize ?? asked))
  const next = indexes[page.length]
  return json(200, {
    Blocks: page.map((index) => ({ BlockIndex: index, BlockToken: tokenOf(record, index) })),
    BlockSize: blockBytes,
    VolumeSize: record.volumeGiB,
    ExpiryTime: Math.floor(Date.now() / 1000) + 7 * 24 * 3600,
    ...(next === undefined ? {} : { NextToken: tokenOf(record, next) }),
  })
}

/** The bytes come from the emulator, which was given them. */
export const getSnapshotBlock: Operation = async (call, world) => {
  const { parameters, region } = call
  const record = needReadable(world, region, parameters['SnapshotId'] ?? '')
  const index = Number(parameters['BlockIndex'])
  const digest = record.digests.get(index)
  if (!digest) throw invalid('INVALID_BLOCK', `the snapshot has no block ${parameters['BlockIndex']}`)
  if (parameters['blockToken'] !== tokenOf(record, index))
    throw invalid('INVALID_BLOCK_TOKEN', 'the block token is not one of this block')
  return readBlock(world, record, index)
}

/** The block's bytes as the emulator has them; says so when they are not those that were put. */
async function readBlock(world: World, record: SnapshotRecord, index: number): Promise<Answer> {
  const { region, id } = record.blocksIn
  const path = `/snapshots/${id}/blocks/${index}`
  const { status, body } = await world.upstream.ask({ service: 'ebs', region, method: 'GET', path })
  const digest = createHash('sha256').update(body).digest()
  if (status !== 200 || !record.digests.get(index)?.equals(digest))
    throw new Refusal({
      code: 'InternalServerException',
      status: 500,
      message: `the emulator gave block ${index} of ${id} back as ${body.length} other bytes (${status})`,
    })
  const headers = {
    'x-amz-data-length': String(blockBytes),
    'x-amz-checksum': digest.toString('base64'),
    'x-amz-checksum-algorithm': 'SHA256',
    'content-type': 'application/octet-stream',
  }
  return { status, headers, body }
}

function needReadable(world: World, region: string, id: string): SnapshotRecord {
  const record = needKnown(world, region, id)
  if (record.phase !== 'completed')
    throw invalid('INVALID_SNAPSHOT_ID', `The snapshot '${id}' is not in the completed state`)
  return record
}

function tokenOf(record: SnapshotRecord, index: number): string {
  return Buffer.from(`${record.id} ${index}`).toString('base64')
}

function startOfPage(parameters: Call['parameters']): number {
  const token = parameters['pageToken']
  if (token === undefined) return Number(parameters['startingBlockIndex'] ?? 0)
  const [id, index] = Buffer.from(token, 'base64').toString().split(' ')
  if (id !== parameters['SnapshotId'] || index === undefined)
    throw invalid('INVALID_PAGE_TOKEN', 'the page token is not one of this snapshot')
  return Number(index)
}
