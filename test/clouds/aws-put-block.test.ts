import { randomBytes } from 'node:crypto'
import { StartSnapshotCommand } from '@aws-sdk/client-ebs'
import { describe, expect, test } from 'vitest'
import { awsClients } from '#clouds/aws/clients.ts'
import { awsConfiguration } from '#clouds/aws/config.ts'
import { blockBytes } from '#clouds/aws/images/blocks.ts'
import { createPace } from '#clouds/aws/images/pace.ts'
import { digestOf, putBlock } from '#clouds/aws/images/put-block.ts'
import { testContext } from '#test/contract/shared.ts'
import { refusedWith, stalled, throttled } from '#test/servers/aws-front/effects.ts'
import { awsForTests } from '#test/servers/aws-test.ts'
import './aws-fixture.ts'

const aws = awsForTests()
const block = { index: 0, bytes: randomBytes(blockBytes) }

async function newTarget(endpoint: string) {
  const clients = awsClients(awsConfiguration.parse({ kind: 'aws', region: 'us-east-1', endpoint }))(
    'us-east-1',
  )
  const { SnapshotId = '' } = await clients.ebs.send(new StartSnapshotCommand({ VolumeSize: 1 }))
  const pace = createPace(64)
  await pace.start()
  return { clients, snapshotId: SnapshotId, startedAt: Date.now(), pace }
}

describe('a block', () => {
  test('that got no answer in its time is sent again, and fewer go at once', async () => {
    await using front = await aws.front()
    const target = await newTarget(front.endpoint)
    front.inject({ action: 'PutSnapshotBlock', times: 1, effect: stalled() })
    const before = target.pace.limit
    await putBlock(target, block, digestOf(block), testContext())
    expect(target.pace.limit).toBe(before / 2)
  })

  test('has all its tries left when its snapshot is known at last', async () => {
    await using front = await aws.front()
    const target = await newTarget(front.endpoint)
    const effect = refusedWith({ code: 'ResourceNotFoundException', message: 'not there', status: 404 })
    const unknown = front.inject({ action: 'PutSnapshotBlock', times: 9, effect })
    const busy = front.inject({ action: 'PutSnapshotBlock', times: 2, effect: throttled() })
    await putBlock(target, block, digestOf(block), { ...testContext(), sleep: () => Promise.resolve() })
    expect([unknown.count, busy.count]).toEqual([9, 2])
  })
})
