import { randomBytes } from 'node:crypto'
import { StartSnapshotCommand } from '@aws-sdk/client-ebs'
import { describe, expect, test } from 'vitest'
import type { RegionClients } from '#clouds/aws/clients.ts'
import { blockBytes } from '#clouds/aws/images/blocks.ts'
import { createPace } from '#clouds/pace.ts'
import { type Target, digestOf, putBlock } from '#clouds/aws/images/put-block.ts'
import { testContext } from '#test/contract/shared.ts'
import { refusedWith, stalled, throttled } from '#test/servers/aws-front/effects.ts'
import { awsForTests } from '#test/servers/aws-test.ts'
import { createAwsBuildersFixture, mainRegion } from './aws-builders-fixture.ts'

const aws = awsForTests()
const block = { index: 0, bytes: randomBytes(blockBytes) }

async function newTarget(clients: RegionClients): Promise<Target> {
  const { SnapshotId = '' } = await clients.ebs.send(new StartSnapshotCommand({ VolumeSize: 1 }))
  const pace = createPace(64)
  await pace.start()
  return { clients, snapshotId: SnapshotId, startedAt: Date.now(), pace }
}

describe('a block', () => {
  test('that got no answer in its time is sent again, and fewer go at once', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const target = await newTarget(fixture.settings().clients(mainRegion))
    front.inject({ action: 'PutSnapshotBlock', times: 1, effect: stalled() })
    const before = target.pace.limit
    await putBlock(target, block, digestOf(block), testContext())
    expect(target.pace.limit).toBe(before / 2)
  })

  test('has all its tries left when its snapshot is known at last', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const target = await newTarget(fixture.settings().clients(mainRegion))
    const effect = refusedWith({ code: 'ResourceNotFoundException', message: 'not there', status: 404 })
    const unknown = front.inject({ action: 'PutSnapshotBlock', times: 9, effect })
    const busy = front.inject({ action: 'PutSnapshotBlock', times: 2, effect: throttled() })
    await putBlock(target, block, digestOf(block), { ...testContext(), sleep: () => Promise.resolve() })
    expect([unknown.count, busy.count]).toEqual([9, 2])
  })
})
