import { afterAll, beforeAll } from 'vitest'
import { cloudContract } from '#test/contract/cloud.ts'
import { startStack } from '#test/servers/openstack/stack.ts'
import { openstackTree } from '#test/servers/openstack/tree.ts'
import { startCloud } from '#test/servers/openstack-double/double.ts'
import { createOpenstackFixture } from './openstack-fixture.ts'

/** Both halves of the contract stand on it, one after the other, each with machines and an owner of its own. */
let stack: Awaited<ReturnType<typeof startStack>>

beforeAll(async () => {
  await openstackTree()
  stack = await startStack()
})
afterAll(() => stack[Symbol.asyncDispose]())

cloudContract('openstack', async () => {
  await using started = new AsyncDisposableStack()
  const double = started.use(await startCloud(stack))
  const fixture = started.use(await createOpenstackFixture(stack, double))
  const held = started.move()
  return { ...fixture, [Symbol.asyncDispose]: () => held.disposeAsync() }
})
