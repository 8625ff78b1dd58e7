import { chown, mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { gather, imageKey, newLease, testContext } from '#test/contract/cloud.ts'
import { type SessionLibvirt, startSessionLibvirt } from '#test/servers/libvirt-session.ts'
import { type LibvirtFixture, createLibvirtFixture, tinyBase } from './libvirt-fixture.ts'
import { localUri } from './libvirt-pool.ts'
import { watchdogsOf } from './watchdogs.ts'

let fixture: LibvirtFixture
let session: SessionLibvirt
let poolPath: string
beforeAll(async () => {
  fixture = await createLibvirtFixture()
  session = await startSessionLibvirt()
  poolPath = await createSessionPool()
})
afterAll(async () => {
  await session[Symbol.asyncDispose]()
  await fixture[Symbol.asyncDispose]()
})

/** A pool of the same name as the fixture's, with the same base disk. */
async function createSessionPool(): Promise<string> {
  const { name } = fixture.pool
  const path = join(session.directory, 'pool')
  await mkdir(path)
  const { uid, gid } = await stat(session.directory)
  await chown(path, uid, gid)
  await session.virsh('pool-create-as', '--name', name, '--type', 'dir', '--target', path)
  await session.virsh('vol-create-as', name, tinyBase, '1MiB', '--format', 'raw')
  await session.virsh('vol-upload', tinyBase, join(fixture.directory, tinyBase), '--pool', name)
  return path
}

test('an image goes to the system’s hypervisor and to a user’s side by side, and is listed on both', async () => {
  const ctx = testContext()
  const cloud = await fixture.open({ uri: [localUri, session.uri] })
  const { regions } = cloud.images!
  expect(regions).toEqual(['local', 'session'])
  const { artifact, owner } = fixture
  const images = await Promise.all(
    regions.map((region) =>
      cloud.images!.publish(artifact, { ...imageKey(cloud, owner, artifact, 'both'), region }, ctx),
    ),
  )
  expect(images.map(({ region }) => region)).toEqual(regions)
  expect(await gather(cloud.images!.list(ctx))).toEqual(images)
  for (const image of images) await cloud.images!.remove(image, ctx)
  expect(await readdir(poolPath)).toEqual([tinyBase])
})

test('a machine runs without root, is found beside the system’s, prolonged, and gone with everything of it', async () => {
  const ctx = testContext()
  const state = join(fixture.directory, 'session-state')
  const alone = await fixture.open({ uri: session.uri }, state)
  const both = await fixture.open({ uri: [localUri, session.uri] }, join(fixture.directory, 'both-state'))
  const lease = newLease(fixture.owner, 'x86_64')
  const ref = await alone.builders!.acquire(fixture.spec, lease, ctx)
  expect(await readdir(poolPath)).toHaveLength(3)
  let text: string | undefined
  while (!text?.includes('long mode works')) {
    await ctx.sleep(100)
    text = await both.builders!.console!(lease.id, ctx)
  }
  expect(await both.builders!.acquire(fixture.spec, lease, ctx), 'adopted where it runs').toEqual(ref)
  const end = new Date(Date.now() + 7_200_000).toISOString()
  await both.builders!.prolong(lease.id, end, ctx)
  const found = await gather(both.builders!.find(fixture.owner, ctx))
  expect(found.map(({ region, expires }) => `${region} ${expires}`)).toEqual(
    Array.from(found, () => `session ${end}`),
  )
  expect(found.filter(({ kind }) => kind === 'machine')).toHaveLength(1)
  const uuid = await session.virsh('domuuid', ref.machine)
  await both.builders!.release(lease.id, ctx)
  expect(await readdir(poolPath)).toEqual([tinyBase])
  // It would wait for this libvirt, which goes with the test.
  await expect.poll(() => watchdogsOf(uuid), { timeout: 10_000 }).toEqual([])
})
