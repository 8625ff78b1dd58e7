import { createHash } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { createOpenstackFixture } from '#test/clouds/openstack-fixture.ts'
import { startStack } from '#test/servers/openstack/stack.ts'
import { openstackTree } from '#test/servers/openstack/tree.ts'
import { startCloud } from '#test/servers/openstack-double/double.ts'
import { isLong, partsOfPoint } from './cloud-points.ts'
import { cloudSweep } from './cloud-sweep.ts'
import { expectOneOfEveryMachine, stateIn } from './cloud-world.ts'
import { type CloudWorld, cloudWorlds } from './cloud-worlds.ts'
import { type OpenstackCloud, type OpenstackPlace, openstackCloud, otherProject } from './openstack-cloud.ts'

/*
 * The engine and the adapter for OpenStack together, as aws-sweep.test.ts has it for AWS: with Debian's Keystone and Glance,
 * and the strict double of Nova, Cinder and Neutron. One region: in another one Glance is asked for the same.
 */
const started = new AsyncDisposableStack()
afterAll(() => started.disposeAsync())

async function openPlace(): Promise<OpenstackPlace> {
  const stack = started.use(await startStack())
  const polls = { server: 0, volume: 0, address: 0 }
  const double = started.use(await startCloud(stack, { polls, pageSize: 100 }))
  return { double, fixture: started.use(await createOpenstackFixture(stack, double)) }
}

const sweep = cloudSweep({
  async openWorlds() {
    await openstackTree()
    return cloudWorlds(await Promise.all([openPlace(), openPlace()]), openstackCloud)
  },
  expectOneOfEverything: expectOneOfEverythingOnOpenstack,
  spared: {
    // Marks follow each other, a machine its address, and what makes an image count its content; a second machine is the
    // first one with another image.
    inARow:
      /^(POST volume \S+\/metadata|PUT network|DELETE compute|PATCH image|POST image \S+\/members) |^(POST|DELETE) (compute|network) \S+ #2$/,
  },
})

/** Where in its sources the adapter changes something, and what comes to the cloud then. */
const requestsOf: Record<string, readonly string[]> = {
  'builders/addresses.ts DELETE': ['DELETE network /floatingips/ID'],
  'builders/addresses.ts PUT': ['PUT network /floatingips/ID'],
  'builders/ask.ts POST': ['POST compute /servers'],
  'builders/end.ts DELETE': ['DELETE compute /servers/ID'],
  'builders/ensure-volume.ts POST': ['POST volume /volumes'],
  'builders/float.ts POST': ['POST network /floatingips'],
  'builders/prolong.ts POST': ['POST compute /servers/ID/metadata', 'POST volume /volumes/ID/metadata'],
  'images/create.ts POST': ['POST image /v2/images'],
  'images/finish.ts PATCH': ['PATCH image /v2/images/ID'],
  'images/finish.ts POST': ['POST image /v2/images/ID/members'],
  'images/upload.ts PUT': ['PUT image /v2/images/ID/file'],
}

/** Places where it does so and that such a release does not come to. */
const notOfSuchARelease = {
  'only where a cloud keeps removed servers': ['builders/end.ts POST'],
  'only for volumes that did not go with their machine': ['builders/volumes.ts DELETE'],
  'of methods that Glance offers beside PUT': ['images/import.ts POST'],
  'only for images that are removed or were left over': ['images/remove.ts DELETE', 'images/remove.ts POST'],
  'changes nothing': ['builders/console.ts POST', 'token.ts POST'],
}

describe('an orchestrator on OpenStack that is killed and run again', () => {
  test('can be killed at every kind of request that the adapter changes something with', () => {
    const adapter = new URL('../../clouds/openstack', import.meta.url).pathname
    const places = readdirSync(adapter, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.startsWith('doctor'))
      .flatMap((name) => {
        const source = readFileSync(join(adapter, name), 'utf8')
        return [...source.matchAll(/method: '(POST|PUT|PATCH|DELETE)'/g)].map(
          ([, method]) => `${name} ${method}`,
        )
      })
    const exceptions = Object.values(notOfSuchARelease).flat()
    expect([...new Set(places)].toSorted()).toEqual([...Object.keys(requestsOf), ...exceptions].toSorted())
    const killedAt = new Set(sweep.kills().map(({ point }) => partsOfPoint(point).name))
    const missing = Object.values(requestsOf)
      .flat()
      .filter((request) => !killedAt.has(request))
    expect(missing).toEqual([])
  })

  test(
    'around every append and every request that changes something: one of everything, and nothing is left',
    sweep.killAround,
  )

  test('again when it has taken up the machine of a run that was killed: still that one', () =>
    sweep.killWhenTakenUp([
      'POST compute /servers/ID/metadata',
      'POST volume /volumes/ID/metadata',
      'PUT network /floatingips/ID',
    ]))
})

describe('an answer of OpenStack that is lost after the request had its effect', () => {
  test('costs no second machine and no second image, whichever it was', async () => {
    await sweep.inEach(isLong ? sweep.whole.requests : [], sweep.loseAnswer)
    await sweep.loseOneOfEach()
  })
})

/** One of everything, and one image that is shown, shared and the disk to the byte. */
async function expectOneOfEverythingOnOpenstack(
  world: CloudWorld<OpenstackCloud>,
  after: string,
): Promise<void> {
  await expectOneOfEveryMachine(world, after)
  const { directory, cloud } = world
  const { releases, collected } = stateIn(directory)
  const [artifact] = [...collected.values()].flatMap(({ artifacts }) => artifacts)
  const known = releases[0]?.images.map(({ image }) => image) ?? []
  const images = await cloud.images()
  expect(images, after).toMatchObject([
    {
      id: known[0]?.id,
      status: 'active',
      visibility: 'shared',
      os_hidden: false,
      factory_sha256: artifact?.sha256,
      factory_ready: 'yes',
    },
  ])
  const { id } = images[0]!
  expect(await cloud.members(id), after).toEqual([otherProject])
  const sha256 = createHash('sha256')
    .update(await cloud.content(id))
    .digest('hex')
  expect(sha256, after).toBe(artifact?.sha256)
}
