import { beforeAll } from 'vitest'
import { cloudContract } from '#test/contract/cloud.ts'
import { startStack } from '#test/servers/openstack/stack.ts'
import { openstackTree, treeLimitMs } from '#test/servers/openstack/tree.ts'
import { startCloud } from '#test/servers/openstack-double/double.ts'
import { createOpenstackFixture } from './openstack-fixture.ts'

async function fixture() {
  await using started = new AsyncDisposableStack()
  const stack = started.use(await startStack())
  const double = started.use(await startCloud(stack))
  const made = started.use(await createOpenstackFixture(stack, double))
  const held = started.move()
  return { ...made, [Symbol.asyncDispose]: () => held.disposeAsync() }
}

beforeAll(async () => void (await openstackTree()), treeLimitMs)

cloudContract('openstack', fixture)
