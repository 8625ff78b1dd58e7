import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { findIdentity } from '#clouds/openstack/credentials.ts'
import { changeImage } from '#clouds/openstack/images/finish.ts'
import { imageId, markProperties } from '#clouds/openstack/images/image-properties.ts'
import { createSession } from '#clouds/openstack/session.ts'
import type { OpenstackSettings } from '#clouds/openstack/settings.ts'
import type { BuilderSpec, Image } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import { gather, imageKey, newLease, testContext } from '#test/contract/cloud.ts'
import { type LoopbackServer, serveOnLoopback } from '#test/servers/loopback.ts'
import { tokenOf } from '#test/servers/openstack/keystone.ts'
import { secondRegion } from '#test/servers/openstack-double/double.ts'
import { eventually } from '#test/servers/sshd.ts'
import { impatient, openstackScene } from './openstack-scene.ts'

const scene = openstackScene({ hasSecondGlance: true })
const MiB = 1024 ** 2

let number = 0
/** Content that no other test has. */
async function fresh(sizeBytes = 4 * MiB): Promise<Artifact> {
  number += 1
  return await scene.fixture.makeArtifact(`fresh-${number}.raw`, sizeBytes, [[MiB, randomBytes(5000)]])
}

async function published(artifact: Artifact, change: object = {}, name = 'images'): Promise<Image> {
  const cloud = await scene.fixture.open(change)
  return await cloud.images!.publish(
    artifact,
    imageKey(cloud, scene.fixture.owner, artifact, name),
    testContext(),
  )
}

async function content({ id }: Image): Promise<string> {
  return createHash('sha256')
    .update(await scene.fixture.content(id))
    .digest('hex')
}

const uploads = () =>
  scene.double.requests.filter(({ method, path }) => method === 'PUT' && path.endsWith('/file'))

test('keeps the content to the byte, and says what Nova and people want to know', async () => {
  const { fixture } = scene
  const change = { properties: { hw_rng_model: 'virtio', os_distro: 'centos' }, firmware: { x86_64: 'uefi' } }
  const image = await published(fixture.artifact, change)
  expect(await content(image)).toBe(fixture.artifact.sha256)
  expect(await fixture.glance(`/images/${image.id}`)).toMatchObject({
    name: `images-x86_64-${fixture.artifact.sha256.slice(0, 12)}`,
    status: 'active',
    visibility: 'private',
    os_hidden: false,
    disk_format: 'raw',
    container_format: 'bare',
    min_disk: 1,
    architecture: 'x86_64',
    os_type: 'linux',
    os_distro: 'centos',
    hw_firmware_type: 'uefi',
    hw_rng_model: 'virtio',
    factory_owner: fixture.owner,
    factory_sha256: fixture.artifact.sha256,
    factory_ready: 'yes',
  })
  expect(uploads()).toHaveLength(1)
})

test('hides an image until it is whole', async () => {
  const { fixture } = scene
  const artifact = await fresh(100 * MiB)
  const key = imageKey(await fixture.open(), fixture.owner, artifact, 'half')
  await fixture.killPublish(artifact, key)
  const cloud = await fixture.open()
  const [left] = await gather(cloud.images!.leftovers(fixture.owner, testContext()))
  const half = await fixture.glance(`/images/${left!.id}`)
  expect(half).toMatchObject({ os_hidden: true, visibility: 'private', factory_sha256: artifact.sha256 })
  expect(half).not.toHaveProperty('factory_ready')
  await cloud.images!.discard(left!, testContext())
})

test('takes no image for whole whose digest is another one, and removes it', async () => {
  const { fixture, double } = scene
  const artifact = await fresh()
  const wrong = (json: Record<string, unknown>) => ({ ...json, os_hash_value: 'f'.repeat(128) })
  const isOne = /\/images\/[0-9a-f-]+$/
  const fault = double.inject({
    service: 'image',
    method: 'GET',
    path: isOne,
    effect: { kind: 'changed', change: wrong },
  })
  await expect(published(artifact)).rejects.toMatchObject({ code: 'openstack-image-differs', class: 'infra' })
  fault.remove()
  const cloud = await fixture.open()
  expect(await gather(cloud.images!.leftovers(fixture.owner, testContext()))).toEqual([])
  const image = await published(artifact)
  expect(await content(image)).toBe(artifact.sha256)
})

test('compares with whatever digest the cloud gives, and believes none that it does not know', async () => {
  const { double } = scene
  const artifact = await fresh()
  const isOne = /\/images\/[0-9a-f-]+$/
  const hash = async (algorithm: string) =>
    createHash(algorithm)
      .update(await readFile(artifact.path))
      .digest('hex')
  const told = { os_hash_algo: 'sha1', os_hash_value: await hash('sha1') }
  const change = (json: Record<string, unknown>) => ({ ...json, ...told })
  const unknown = (json: Record<string, unknown>) => ({ ...json, os_hash_algo: 'crc7' })
  const fault = { service: 'image', method: 'GET', path: isOne } as const
  const strange = double.inject({ ...fault, effect: { kind: 'changed', change: unknown } })
  await expect(published(artifact)).rejects.toMatchObject({ code: 'openstack-hash-unknown', class: 'user' })
  strange.remove()
  double.inject({ ...fault, effect: { kind: 'changed', change } })
  expect(await published(artifact)).toMatchObject({ sha256: artifact.sha256 })
})

test('sends nothing twice when only the answer to an upload was lost', async () => {
  const { double } = scene
  const artifact = await fresh()
  double.inject({
    service: 'image',
    method: 'PUT',
    path: /\/file$/,
    times: 1,
    effect: { kind: 'cut', isDone: true },
  })
  const image = await published(artifact)
  expect(uploads()).toHaveLength(1)
  expect(await content(image)).toBe(artifact.sha256)
})

test('tells how far it is', async () => {
  const { fixture } = scene
  const artifact = await fresh()
  const cloud = await fixture.open()
  const told: { done?: number; total?: number }[] = []
  const ctx = { ...testContext(), emit: (progress: object) => void told.push(progress) }
  await cloud.images!.publish(artifact, imageKey(cloud, fixture.owner, artifact, 'told'), ctx)
  expect(told).toContainEqual(expect.objectContaining({ done: 4 * MiB, total: 4 * MiB, unit: 'bytes' }))
})

test('sends what a Glance takes that nothing stands before', async () => {
  const { fixture, stack } = scene
  // The double would cut what passes through it into other pieces.
  await stack.keystone.makeEndpoint('image', 'Direct', stack.glanceUrl)
  const artifact = await fixture.makeArtifact('direct.raw', 8 * MiB, [[MiB, randomBytes(4 * MiB)]])
  const image = await published(artifact, { region: 'Direct' })
  expect(await content(image)).toBe(artifact.sha256)
  expect(uploads()).toEqual([])
})

test('stops an upload at once, and leaves nothing of it', async () => {
  const { fixture } = scene
  const artifact = await fresh(256 * MiB)
  const cloud = await fixture.open()
  const stopping = new AbortController()
  const ctx = { ...testContext(), signal: stopping.signal }
  const key = imageKey(cloud, fixture.owner, artifact, 'stopped')
  const publishing = cloud.images!.publish(artifact, key, ctx)
  const stop = eventually('an upload', () => uploads().length > 0).then(() =>
    stopping.abort(new Error('enough')),
  )
  await expect(publishing).rejects.toThrow('enough')
  await stop
  expect(uploads()).toMatchObject([{ status: 0 }])
  expect(await gather(cloud.images!.leftovers(fixture.owner, testContext()))).toEqual([])
})

test('takes the image by way of the staging area where that is configured', async () => {
  const artifact = await fresh()
  const image = await published(artifact, { method: 'glance-direct' })
  expect(await content(image)).toBe(artifact.sha256)
  const posts = scene.double.requests
    .filter(({ method }) => method !== 'GET')
    .map(({ path }) => basename(path))
  expect(posts).toEqual(expect.arrayContaining(['stage', 'import']))
  expect(uploads()).toEqual([])
})

test('has Glance fetch the image where that is configured, and believes the digest only', async () => {
  await using files = await serveFiles()
  const artifact = await fresh()
  files.paths.set(`/store/${basename(artifact.path)}`, artifact.path)
  const change = { method: 'web-download', downloadFrom: `${files.url}/store/` }
  const image = await published(artifact, change)
  expect(await content(image)).toBe(artifact.sha256)
  expect(scene.double.requests.filter(({ method }) => method === 'PUT')).toEqual([])
  const other = await fresh()
  files.paths.set(`/store/${basename(other.path)}`, artifact.path)
  await expect(published(other, change)).rejects.toMatchObject({ code: 'openstack-image-differs' })
  const missing = await fresh()
  await expect(published(missing, change)).rejects.toMatchObject({ code: 'openstack-image-failed' })
  const cloud = await scene.fixture.open()
  expect(await gather(cloud.images!.leftovers(scene.fixture.owner, testContext()))).toEqual([])
})

test('says before anything is sent that a way is not offered', async () => {
  const { double, fixture } = scene
  const json = { 'import-methods': { description: '', type: 'array', value: ['web-download'] } }
  double.inject({
    service: 'image',
    path: /\/info\/import$/,
    effect: { kind: 'refused', isDone: false, status: 200, json },
  })
  const { images } = await fixture.open({ method: 'glance-direct' })
  const refused = {
    code: 'openstack-import-method',
    class: 'user',
    message: expect.stringContaining('web-download') as string,
  }
  const nothing = { virtualBytes: 0, storedBytes: 0 }
  await expect(images!.check('RegionOne', nothing, testContext())).rejects.toMatchObject(refused)
  await expect(published(await fresh(), { method: 'glance-direct' })).rejects.toMatchObject(refused)
  expect(double.requests.filter(({ method, service }) => service === 'image' && method === 'POST')).toEqual(
    [],
  )
})

test('puts an image aside that machines stand on, and removes it later', async () => {
  const { double, fixture } = scene
  const image = await published(await fresh())
  const cloud = await fixture.open()
  const busy = { kind: 'refused', isDone: false, status: 409, json: { message: 'Image is in use' } } as const
  const fault = double.inject({ service: 'image', method: 'DELETE', effect: busy })
  await expect(cloud.images!.remove(image, testContext())).rejects.toMatchObject({
    code: 'openstack-image-in-use',
  })
  expect(await fixture.glance(`/images/${image.id}`)).toMatchObject({
    status: 'deactivated',
    os_hidden: true,
  })
  expect((await gather(cloud.images!.list(testContext()))).map(({ id }) => id)).not.toContain(image.id)
  fault.remove()
  const left = await gather(cloud.images!.leftovers(fixture.owner, testContext()))
  expect(left).toMatchObject([{ id: image.id, state: 'deactivated' }])
  await cloud.images!.discard(left[0]!, testContext())
  await expect(fixture.glance(`/images/${image.id}`)).rejects.toThrow('404')
})

test('an image is in use by the servers that were started from it, and by the volumes that were made from it', async () => {
  const { fixture } = scene
  const image = await published(await fresh(), { copyTo: [secondRegion] })
  const inUse = async () => await (await fixture.open()).images!.inUse!(image, testContext())
  const spec = { ...fixture.spec, purpose: 'verify', dataBytes: 0, image } as const
  const boot = async (change: object, boots: BuilderSpec) => {
    const { builders } = await fixture.open(change)
    const lease = newLease(fixture.owner, 'x86_64')
    const ref = await builders!.acquire(boots, lease, impatient())
    return { ref, end: () => builders!.release(lease.id, impatient()) }
  }
  const other = await boot({ rootVolume: '30 GiB' }, fixture.spec)
  expect(await inUse(), 'what lies on the base image').toBeUndefined()
  const server = await boot({}, spec)
  expect(await inUse()).toBe(`the machine ${server.ref.machine} was started from it`)
  await server.end()
  expect(await inUse()).toBeUndefined()
  const fromVolume = await boot({ rootVolume: '30 GiB' }, spec)
  const volume = [...scene.double.world.volumes.values()].find(({ imageId: made }) => made === image.id)
  expect(await inUse()).toBe(`the volume ${volume!.id} was made from it`)
  await fromVolume.end()
  await other.end()
  const elsewhere = { ...image, region: secondRegion }
  const { images } = await fixture.open({ copyTo: [secondRegion] })
  expect(await images!.inUse!(elsewhere, testContext()), 'a region without Nova and Cinder').toBeUndefined()
})

test('hides what is not to be used any more, in the same change that marks it, and notices when somebody shows it', async () => {
  const { double, fixture } = scene
  const image = await published(await fresh())
  const { mark, marked } = (await fixture.open()).images!
  await mark!(image, 'superseded', testContext())
  expect(await fixture.glance(`/images/${image.id}`)).toMatchObject({
    os_hidden: true,
    factory_channel: 'superseded',
  })
  double.reset()
  await mark!(image, 'promoted', testContext())
  await mark!(image, 'promoted', testContext())
  expect(double.requests.filter(({ method }) => method === 'PATCH')).toHaveLength(1)
  expect(await fixture.glance(`/images/${image.id}`)).toMatchObject({
    os_hidden: false,
    factory_channel: 'promoted',
  })
  await mark!(image, 'ignored', testContext())
  const session = createSession(() => findIdentity(fixture.configure()))
  const show = [{ op: 'replace', path: '/os_hidden', value: false }] as const
  await changeImage({ session } as OpenstackSettings, image.region, image.id, show, testContext())
  expect(await marked!(image, testContext())).toBeUndefined()
  await mark!(image, 'ignored', testContext())
  expect(await marked!(image, testContext())).toBe('ignored')
})

test('takes an image that was put aside into use again when the same content is published', async () => {
  const { double, fixture } = scene
  const artifact = await fresh()
  const image = await published(artifact)
  const cloud = await fixture.open()
  await cloud.images!.mark!(image, 'ignored', testContext())
  const busy = { kind: 'refused', isDone: false, status: 409, json: { message: 'Image is in use' } } as const
  double.inject({ service: 'image', method: 'DELETE', effect: busy })
  await expect(cloud.images!.remove(image, testContext())).rejects.toMatchObject({
    code: 'openstack-image-in-use',
  })
  expect(await published(artifact)).toEqual(image)
  expect(await fixture.glance(`/images/${image.id}`)).toMatchObject({
    status: 'active',
    os_hidden: false,
    factory_ready: 'yes',
  })
  expect(
    await cloud.images!.marked!(image, testContext()),
    'it was removed, and is a new one',
  ).toBeUndefined()
  expect(await fixture.glance(`/images/${image.id}`)).not.toHaveProperty('factory_channel')
  expect(uploads(), 'nothing is sent again').toHaveLength(1)
})

test('makes one image when two factories publish the same content at once', async () => {
  const { fixture } = scene
  const artifact = await fresh(64 * MiB)
  const cloud = await fixture.open()
  const key = imageKey(cloud, fixture.owner, artifact, 'both')
  const [one, other] = await Promise.all([
    cloud.images!.publish(artifact, key, testContext()),
    (await fixture.open()).images!.publish(artifact, key, testContext()),
  ])
  expect(other).toEqual(one)
  expect(await content(one)).toBe(artifact.sha256)
  expect(await gather(cloud.images!.leftovers(fixture.owner, testContext()))).toEqual([])
})

test('does not take an image away from whoever sends it still', async () => {
  const { fixture, double } = scene
  const artifact = await fresh(100 * MiB)
  const cloud = await fixture.open()
  const key = imageKey(cloud, fixture.owner, artifact, 'others')
  await fixture.killPublish(artifact, key)
  const [left] = await gather(cloud.images!.leftovers(fixture.owner, testContext()))
  const change = (json: Record<string, unknown>) => ({ ...json, status: 'saving' })
  const isOne = /\/images\/[0-9a-f-]+$/
  const fault = double.inject({
    service: 'image',
    method: 'GET',
    path: isOne,
    effect: { kind: 'changed', change },
  })
  let sleptMs = 0
  const patient = { ...testContext(), now: () => Date.now() + sleptMs }
  const ctx = { ...patient, sleep: (ms: number) => Promise.resolve(void (sleptMs += ms * 20)) }
  await expect(cloud.images!.publish(artifact, key, ctx)).rejects.toMatchObject({
    code: 'openstack-image-busy',
    class: 'infra',
    message: expect.stringContaining(left!.id) as string,
  })
  expect(sleptMs).toBeGreaterThan(20 * 60_000)
  fault.remove()
  expect((await cloud.images!.publish(artifact, key, testContext())).id).toBe(left!.id)
})

test('leaves an image alone that has become another one', async () => {
  const { fixture } = scene
  const image = await published(await fresh())
  const cloud = await fixture.open()
  await cloud.images!.remove({ ...image, sha256: 'a'.repeat(64) }, testContext())
  expect(await fixture.glance(`/images/${image.id}`)).toMatchObject({ status: 'active' })
})

test('believes nothing of what another project says of its images', async () => {
  const { fixture, stack } = scene
  const artifact = await fresh()
  const cloud = await fixture.open()
  const key = imageKey(cloud, fixture.owner, artifact, 'public')
  const image = await published(artifact, {}, 'public')
  const properties = await fixture.glance(`/images/${image.id}`)
  await cloud.images!.remove(image, testContext())
  const marks = Object.entries(properties).filter(([name]) => name.startsWith('factory_'))
  const token = await tokenOf(stack.keystone.url, 'admin', 'administrator-of-a-test', 'admin')
  const call = async (path: string, method: string, body: string, type: string) => {
    const headers = { 'x-auth-token': token, 'content-type': type }
    const answer = await fetch(`${stack.glanceUrl}/v2${path}`, { method, headers, body })
    return (await answer.text()) || '{}'
  }
  const json = {
    ...Object.fromEntries(marks),
    name: 'trap',
    disk_format: 'raw',
    container_format: 'bare',
    visibility: 'public',
  }
  const made = JSON.parse(await call('/images', 'POST', JSON.stringify(json), 'application/json')) as {
    id: string
  }
  await call(`/images/${made.id}/file`, 'PUT', 'evil', 'application/octet-stream')
  expect(await fixture.glance(`/images/${made.id}`)).toMatchObject({ status: 'active', factory_ready: 'yes' })
  expect(await cloud.images!.find(key, testContext())).toBeUndefined()
  expect((await gather(cloud.images!.list(testContext()))).map(({ id }) => id)).not.toContain(made.id)
  const ours = await cloud.images!.publish(artifact, key, testContext())
  expect(ours.id).not.toBe(made.id)
  expect(await content(ours)).toBe(artifact.sha256)
})

test('takes no image of another project for its own, though that has its id and its marks', async () => {
  const { fixture, stack } = scene
  const artifact = await fresh()
  const cloud = await fixture.open()
  const key = imageKey(cloud, fixture.owner, artifact, 'planted')
  const token = await tokenOf(stack.keystone.url, 'admin', 'administrator-of-a-test', 'admin')
  const json = {
    ...markProperties(key, artifact),
    id: imageId(key, 0),
    name: 'planted',
    disk_format: 'raw',
    container_format: 'bare',
    visibility: 'public',
  }
  const made = await fetch(`${stack.glanceUrl}/v2/images`, {
    method: 'POST',
    headers: { 'x-auth-token': token, 'content-type': 'application/json' },
    body: JSON.stringify(json),
  })
  expect(made.status).toBe(201)
  await expect(cloud.images!.publish(artifact, key, testContext())).rejects.toMatchObject({
    code: 'image-name-taken',
    class: 'user',
  })
  expect(uploads()).toEqual([])
  expect(await fixture.glance(`/images/${imageId(key, 0)}`)).toMatchObject({ status: 'queued' })
})

test('keeps what a booted machine says of itself, line by line', async () => {
  const { fixture } = scene
  const artifact = await fresh()
  const cloud = await fixture.open()
  const key = imageKey(cloud, fixture.owner, artifact, 'lines')
  const identity = `IMAGE=my-image\nRELEASE=20261126-1\nARCHITECTURE=x86_64\nBUILD_KEY=${'b'.repeat(64)}\n`
  const origin = { ...key.origin, identity }
  await cloud.images!.publish(artifact, { ...key, origin }, testContext())
  expect(await cloud.images!.find(key, testContext())).toMatchObject({ origin })
})

test('makes an image anew under another id when the first one was removed', async () => {
  const { fixture } = scene
  const artifact = await fresh()
  const first = await published(artifact)
  const cloud = await fixture.open()
  await cloud.images!.remove(first, testContext())
  const second = await published(artifact)
  expect(second.id).not.toBe(first.id)
  expect(await content(second)).toBe(artifact.sha256)
})

test('makes an image in each region, and finds what is there already', async () => {
  const { fixture, double } = scene
  const artifact = await fresh()
  const cloud = await fixture.open({ copyTo: [secondRegion] })
  expect(cloud.images!.regions).toEqual(['RegionOne', secondRegion])
  const key = imageKey(cloud, fixture.owner, artifact, 'regions')
  const there = { ...key, region: secondRegion }
  const [one, two] = await Promise.all([
    cloud.images!.publish(artifact, key, testContext()),
    cloud.images!.publish(artifact, there, testContext()),
  ])
  expect(one.region).toBe('RegionOne')
  expect(two.region).toBe(secondRegion)
  expect(two.id).not.toBe(one.id)
  expect(uploads()).toHaveLength(2)
  expect(await cloud.images!.find(there, testContext())).toEqual(two)
  expect((await gather(cloud.images!.list(testContext()))).map(({ id }) => id)).toEqual(
    expect.arrayContaining([one.id, two.id]),
  )
  const lost = double.inject({
    service: 'image',
    path: /\/images$/,
    times: 5,
    effect: { kind: 'refused', isDone: false, status: 500 },
  })
  const seen: string[] = []
  await expect(
    (async () => {
      for await (const { id } of cloud.images!.list(testContext())) seen.push(id)
    })(),
  ).rejects.toMatchObject({ code: 'openstack-failed' })
  expect(lost.count).toBe(5)
  expect(seen, 'a region that fails hides nothing of the others').toContain(two.id)
  await cloud.images!.remove(two, testContext())
  expect(await cloud.images!.find(key, testContext())).toEqual(one)
})

test('takes a qcow2, and a raw disk with a partition table, as Glance looks into both', async () => {
  const { fixture } = scene
  const path = join(fixture.directory, 'disk.qcow2')
  await execa('qemu-img', ['create', '-f', 'qcow2', path, '10M'])
  const bytes = await readFile(path)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const sizes = { sizeBytes: bytes.length, virtualBytes: 10 * MiB, contentBytes: bytes.length }
  const qcow2: Artifact = { arch: 'ppc64le', format: 'qcow2', path, sha256, ...sizes }
  const image = await published(qcow2)
  expect(image).toMatchObject({ format: 'qcow2', sizeBytes: 10 * MiB, arch: 'ppc64le' })
  expect(await content(image)).toBe(sha256)
  const raw = await fresh(16 * MiB)
  await execa('sfdisk', [raw.path], { input: 'label: gpt\nsize=4MiB, type=U\ntype=L\n' })
  const disk = {
    ...raw,
    sha256: createHash('sha256')
      .update(await readFile(raw.path))
      .digest('hex'),
  }
  expect(await content(await published(disk))).toBe(disk.sha256)
})

/** A web server for files by path; anything else is not there. */
async function serveFiles(): Promise<LoopbackServer & { paths: Map<string, string> }> {
  const paths = new Map<string, string>()
  const server = await serveOnLoopback(async ({ url = '' }, answer) => {
    const path = paths.get(url)
    if (path === undefined) return void answer.writeHead(404).end()
    answer.end(await readFile(path))
  })
  return { ...server, paths }
}
