import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Image } from '#clouds/types.ts'
import { imageKey, testContext } from '#test/contract/cloud.ts'
import { type LibvirtFixture, createLibvirtFixture } from './libvirt-fixture.ts'
import { createTestPool, virsh } from './libvirt-pool.ts'

let fixture: LibvirtFixture
let image: Image
beforeAll(async () => {
  fixture = await createLibvirtFixture()
  const artifact = await fixture.makeArtifact('used.raw', 1, 2)
  const cloud = await fixture.open()
  image = await cloud.images!.publish(
    artifact,
    imageKey(cloud, fixture.owner, artifact, 'used'),
    testContext(),
  )
})
afterAll(async () => {
  await fixture[Symbol.asyncDispose]()
})

const inUse = async () => await (await fixture.open()).images!.inUse!(image, testContext())

/** A machine that is defined or, paused before its first instruction, started; it goes with the test. */
async function machine(disk: string, how: 'define' | 'start' = 'define') {
  const name = `factory-test-${randomBytes(4).toString('hex')}`
  const file = join(fixture.directory, `${name}.xml`)
  const os = "<os><type arch='x86_64' machine='q35'>hvm</type></os>"
  await writeFile(
    file,
    `<domain type='qemu'><name>${name}</name><memory unit='MiB'>64</memory>${os}<devices>${disk}</devices></domain>`,
  )
  await (how === 'define' ? virsh('define', file) : virsh('create', '--paused', file))
  return {
    name,
    [Symbol.asyncDispose]: async () => void (await virsh(how === 'define' ? 'undefine' : 'destroy', name)),
  }
}

const disk = (type: string, format: string, source: string) =>
  `<disk type='${type}' device='disk'><driver name='qemu' type='${format}'/><source ${source}/><target dev='vda' bus='virtio'/></disk>`

async function overlay(pool: string, name: string, backing = image.id, format = 'raw') {
  const argv = ['--pool', pool, '--name', name, '--capacity', '2097152', '--format', 'qcow2']
  await virsh('vol-create-as', ...argv, '--backing-vol', backing, '--backing-vol-format', format)
  return {
    path: await virsh('vol-path', '--pool', pool, '--vol', name),
    [Symbol.asyncDispose]: async () => void (await virsh('vol-delete', '--pool', pool, '--vol', name)),
  }
}

test('an image that nothing needs is not in use, marks and all', async () => {
  const { images } = await fixture.open()
  await images!.mark!(image, 'superseded', testContext())
  expect(await inUse()).toBeUndefined()
})

test('a machine that is defined and does not run uses the disk that it names, by path or by pool and volume', async () => {
  await using byPath = await machine(disk('file', 'raw', `file='${image.id}'`))
  expect(await inUse()).toBe(`the machine ${byPath.name} has it as a disk, although it does not run now`)
  await using byVolume = await machine(
    disk('volume', 'raw', `pool='${fixture.pool.name}' volume='${image.name}'`),
  )
  const [one, two] = [byPath.name, byVolume.name].toSorted()
  const names = [`${one} and ${two}`, `${two} and ${one}`]
  expect(
    names.map((each) => `the machines ${each} have it as a disk, although they do not run now`),
  ).toContain(await inUse())
})

test('a machine whose disk lies in a file of no pool, and that on the image, uses it while it runs', async () => {
  const path = join(fixture.pool.path, '..', `factory-test-${randomBytes(4).toString('hex')}.qcow2`)
  await execa('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', image.id, '-F', 'raw', path])
  await using files = new AsyncDisposableStack()
  files.defer(async () => void (await execa('rm', [path])))
  await using started = await machine(disk('file', 'qcow2', `file='${path}'`), 'start')
  expect(await inUse()).toBe(`the machine ${started.name} runs from it`)
})

test('an overlay uses it in whatever pool it lies, whatever it is called, and no more once it is gone', async () => {
  await using other = await createTestPool()
  for (const pool of [fixture.pool.name, other.name]) {
    await using made = await overlay(pool, 'of-somebody.img')
    expect(await inUse()).toBe(`the volume ${made.path} is an overlay of it`)
  }
  expect(await inUse()).toBeUndefined()
})

test('a volume that has vanished behind the back of libvirt is no error', async () => {
  await using other = await createTestPool()
  const made = await overlay(other.name, 'vanished.qcow2')
  await execa('rm', [made.path])
  expect(await inUse()).toBeUndefined()
})

test('what lies on another image of the pool does not count', async () => {
  const cloud = await fixture.open()
  const artifact = await fixture.makeArtifact('other.raw', 1, 2)
  const key = imageKey(cloud, fixture.owner, artifact, 'other')
  const another = await cloud.images!.publish(artifact, key, testContext())
  await using made = await overlay(fixture.pool.name, 'of-another.qcow2', another.id)
  await using _machine = await machine(disk('file', 'qcow2', `file='${made.path}'`))
  expect(await inUse()).toBeUndefined()
  expect(await cloud.images!.inUse!(another, testContext())).toBe(
    `the volume ${made.path} is an overlay of it`,
  )
})
