import { afterAll, beforeAll, beforeEach } from 'vitest'
import type { Context } from '#src/context.ts'
import { testContext } from '#test/contract/cloud.ts'
import type { StackOptions } from '#test/servers/openstack/configuration.ts'
import { type Stack, startStack } from '#test/servers/openstack/stack.ts'
import { openstackTree } from '#test/servers/openstack/tree.ts'
import { type Cloud as Double, startCloud } from '#test/servers/openstack-double/double.ts'
import { type OpenstackFixture, createOpenstackFixture } from './openstack-fixture.ts'

export interface OpenstackScene {
  readonly stack: Stack
  readonly double: Double
  readonly fixture: OpenstackFixture
}

/** One cloud for all tests of a file, each of which finds it without machines, faults and recorded requests. */
export function openstackScene(options: StackOptions = {}): OpenstackScene {
  const started = new AsyncDisposableStack()
  const scene: { -readonly [Part in keyof OpenstackScene]?: OpenstackScene[Part] } = {}
  beforeAll(async () => {
    await openstackTree()
    scene.stack = started.use(await startStack(options))
    scene.double = started.use(await startCloud(scene.stack))
    scene.fixture = started.use(await createOpenstackFixture(scene.stack, scene.double))
  })
  afterAll(() => started.disposeAsync())
  beforeEach(() => scene.double!.reset())
  return scene as OpenstackScene
}

/** A context that does not wait long for what a double shows at the next look. */
export function impatient(): Context & { told: string[] } {
  const context = testContext()
  const sleep = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, Math.min(ms, 10)))
  return { ...context, sleep }
}
