import { open, stat } from 'node:fs/promises'
import { CompleteSnapshotCommand, StartSnapshotCommand } from '@aws-sdk/client-ebs'
import { blockBytes } from '#clouds/aws/images/blocks.ts'
import { awsClients } from '#clouds/aws/clients.ts'
import { awsConfiguration } from '#clouds/aws/config.ts'
import { createPace } from '#clouds/pace.ts'
import { digestOf, putBlock } from '#clouds/aws/images/put-block.ts'
import { sendBlocks } from '#clouds/aws/images/send-blocks.ts'
import { openSentBlocks } from '#clouds/aws/images/sent-blocks.ts'
import { testContext } from '#test/contract/cloud.ts'

/** One snapshot of a disk, as the factory sends it or, to compare, block by block with all holes; arguments as below. */
const [how, endpoint = '', path = '', scratch = ''] = process.argv.slice(2)
const region = 'us-east-1'
const clients = awsClients(awsConfiguration.parse({ kind: 'aws', region, endpoint }))(region)
const ctx = testContext(3_600_000)
const sizeBytes = (await stat(path)).size
const start = new StartSnapshotCommand({ VolumeSize: Math.ceil(sizeBytes / 1024 ** 3) })
const snapshotId = (await clients.ebs.send(start)).SnapshotId!
const target = { clients, snapshotId, startedAt: Date.now(), pace: createPace(64) }
const blocks = how === 'everything' ? await sendEverything() : await sendContent()
await clients.ebs.send(new CompleteSnapshotCommand({ SnapshotId: snapshotId, ChangedBlocksCount: blocks }))

async function sendContent(): Promise<number> {
  await using sent = await openSentBlocks(scratch, snapshotId)
  const contentBytes = (await stat(path)).blocks * 512
  const artifact = {
    arch: 'x86_64',
    format: 'raw',
    path,
    sha256: '',
    sizeBytes,
    virtualBytes: sizeBytes,
    contentBytes,
  } as const
  return (await sendBlocks(target, artifact, sent, ctx)).blocks
}

async function sendEverything(): Promise<number> {
  const { pace } = target
  const count = sizeBytes / blockBytes
  await using file = await open(path, 'r')
  const running: Promise<void>[] = []
  for (let index = 0; index < count; index += 1) {
    await pace.start()
    const bytes = Buffer.alloc(blockBytes)
    await file.read(bytes, 0, blockBytes, index * blockBytes)
    const block = { index, bytes }
    running.push(putBlock(target, block, digestOf(block), ctx).finally(() => pace.done('answered')))
  }
  await Promise.all(running)
  return count
}
