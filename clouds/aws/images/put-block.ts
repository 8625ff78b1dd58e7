import { createHash } from 'node:crypto'
import { PutSnapshotBlockCommand } from '@aws-sdk/client-ebs'
import type { Context } from '#src/context.ts'
import type { Block } from './blocks.ts'
import { blockBytes } from './blocks.ts'
import type { RegionClients } from '../clients.ts'
import { isExpired } from '../credentials.ts'
import { awsErrorName, awsFailure } from '../failures.ts'
import { type Pace, isPushedBack } from '#clouds/pace.ts'
import { retryPauseMs } from '#clouds/until.ts'

const attempts = 8
const attemptMs = 20_000
/**
 * A new snapshot may be unknown to the part of EBS that takes blocks for so long; afterwards "not found" means gone.
 * Two minutes are the word of the EBS team: https://github.com/awslabs/coldsnap/issues/43
 */
const unknownMs = 132_000

export interface Target {
  clients: RegionClients
  snapshotId: string
  /** When the snapshot was started, in milliseconds since the epoch. */
  startedAt: number
  pace: Pace
}

export function digestOf({ bytes }: Block): Buffer {
  return createHash('sha256').update(bytes).digest()
}

/**
 * Sends one block, which the pace has let start, with a hard limit for each try: now and then a put never gets an answer. The bytes are not signed, their
 * digest is, and EBS refuses a block that does not match it.
 */
export async function putBlock(target: Target, block: Block, digest: Buffer, ctx: Context): Promise<void> {
  const { clients, snapshotId, pace } = target
  const request = new PutSnapshotBlockCommand({
    SnapshotId: snapshotId,
    BlockIndex: block.index,
    BlockData: block.bytes,
    DataLength: blockBytes,
    Checksum: digest.toString('base64'),
    ChecksumAlgorithm: 'SHA256',
  })
  // What is only not known yet is no failure of the line, and has a limit of its own.
  let failures = 0
  for (let tries = 1; ; tries += 1) {
    try {
      const abortSignal = AbortSignal.any([ctx.signal, AbortSignal.timeout(attemptMs)])
      await clients.ebs.send(request, { abortSignal })
      return
    } catch (error) {
      ctx.signal.throwIfAborted()
      const verdict = judge(error, target, ctx.now())
      if (verdict === 'slow down') pace.slowDown()
      if (verdict !== 'not yet') failures += 1
      if (verdict === 'give up' || failures >= attempts)
        throw awsFailure(error, `sending block ${block.index} of ${snapshotId}`, clients.region)
      await pace.rest(() => ctx.sleep(retryPauseMs(tries)))
    }
  }
}

type Verdict = 'again' | 'slow down' | 'not yet' | 'give up'

function judge(error: unknown, { startedAt }: Target, now: number): Verdict {
  const name = awsErrorName(error)
  if (isPushedBack(name)) return 'slow down'
  if (name === 'ResourceNotFoundException') return now - startedAt < unknownMs ? 'not yet' : 'give up'
  const { class: failureClass, code } = awsFailure(error, '', '')
  // The next try gets fresh credentials where they can be refreshed.
  if (code === 'aws-credentials') return isExpired(error) ? 'again' : 'give up'
  return failureClass === 'infra' ? 'again' : 'give up'
}
