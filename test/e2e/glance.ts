import { expect } from 'vitest'
import { createOpenstackFixture } from '#test/clouds/openstack-fixture.ts'
import { startStack } from '#test/servers/openstack/stack.ts'
import { startCloud } from '#test/servers/openstack-double/double.ts'
import type { LabFile } from './factory.ts'

/** OpenStack for a workspace: the real Keystone and Glance, and the double of the rest. */
export interface GlanceForWorkspace extends AsyncDisposable {
  /** Publishes the image of ppc64le there; there is no Nova that could boot it. */
  configure(file: LabFile): void
  /** Ids of the images that Glance has of the workspace, whatever their state. */
  images(name: string): Promise<string[]>
  /** An image as Glance describes it. */
  describe(id: string): Promise<Record<string, unknown>>
}

export async function openGlance(): Promise<GlanceForWorkspace> {
  await using started = new AsyncDisposableStack()
  const stack = started.use(await startStack())
  const double = started.use(await startCloud(stack))
  const openstack = started.use(await createOpenstackFixture(stack, double))
  const held = started.move()
  return {
    configure(file) {
      file.clouds['openstack'] = openstack.configure({ base: {} })
      file.publish.push({ to: 'openstack', arch: ['ppc64le'], format: 'raw', verify: false })
    },
    async images(name) {
      const { images } = await openstack.glance('/images?limit=1000')
      const listed = images as { id: string; name: string | null }[]
      return listed.filter((image) => image.name?.startsWith(name)).map(({ id }) => id)
    },
    async describe(id) {
      const described = await openstack.glance(`/images/${id}`)
      expect(described['status']).toBe('active')
      return described
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}
