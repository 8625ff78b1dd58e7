import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { copyFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ImageKey } from '#clouds/types.ts'
import type { FactoryError } from '#src/errors.ts'
import { cloudContract, gather, imageKey, newLease, testContext } from '#test/contract/cloud.ts'
import { type LibvirtFixture, createLibvirtFixture, tinyBase } from './libvirt-fixture.ts'
import { createTestPool, putVolume, virsh } from './libvirt-pool.ts'

cloudContract('libvirt', createLibvirtFixture)

let fixture: LibvirtFixture
beforeAll(async () => {
  fixture = await createLibvirtFixture()
})
afterAll(async () => {
  await fixture[Symbol.asyncDispose]()
})

describe('builders on libvirt', () => {
  test('a machine boots from an overlay of the base, its console can be read, and nothing of it is left', async () => {
    const cloud = await fixture.open()
    const ctx = testContext()
    const before = await fixture.pool.files()
    const base = await digest(join(fixture.pool.path, tinyBase))
    const lease = newLease(fixture.owner, 'x86_64')
    const ref = await cloud.builders!.acquire(fixture.spec, lease, ctx)
    try {
      expect(ref).toMatchObject({ leaseId: lease.id, machine: `factory-${lease.id}`, user: 'root' })
      expect(ref.hostPublicKey).toBe(fixture.spec.access.hostPublicKey)
      let text: string | undefined
      while (!text?.includes('long mode works')) {
        await ctx.sleep(100)
        text = await cloud.builders!.console!(lease.id, ctx)
      }
    } finally {
      await cloud.builders!.release(lease.id, ctx)
    }
    expect(await fixture.pool.files()).toEqual(before)
    expect(await digest(join(fixture.pool.path, tinyBase))).toBe(base)
    expect(await virsh('list', '--all', '--name')).not.toContain(lease.id)
  })

  test('a machine is adopted by a factory that lost its state', async () => {
    const ctx = testContext()
    const lease = newLease(fixture.owner, 'x86_64')
    const cloud = await fixture.open()
    const first = await cloud.builders!.acquire(fixture.spec, lease, ctx)
    try {
      const other = await fixture.open({}, join(fixture.directory, 'other-state'))
      expect(await other.builders!.acquire(fixture.spec, lease, ctx)).toEqual(first)
    } finally {
      await cloud.builders!.release(lease.id, ctx)
    }
  })

  test('what is left of a machine that ended by itself is still found by its marks', async () => {
    const ctx = testContext()
    const lease = newLease(fixture.owner, 'x86_64')
    const cloud = await fixture.open()
    const { machine } = await cloud.builders!.acquire(fixture.spec, lease, ctx)
    await virsh('destroy', machine)
    const found = await gather(cloud.builders!.find(fixture.owner, ctx))
    expect(found.map(({ kind }) => kind).toSorted()).toEqual(['disk', 'disk'])
    expect(found.every((each) => each.leaseId === lease.id && each.expires === lease.expires)).toBe(true)
    await cloud.builders!.release(lease.id, ctx)
    expect(await gather(cloud.builders!.find(fixture.owner, ctx))).toEqual([])
  })

  test('half of a machine is made anew', async () => {
    const ctx = testContext()
    const lease = newLease(fixture.owner, 'x86_64')
    const cloud = await fixture.open()
    await putVolume(fixture.pool, `factory-${lease.id}.qcow2`, join(fixture.directory, tinyBase))
    await putVolume(fixture.pool, `factory-${lease.id}-seed.iso`, join(fixture.directory, tinyBase))
    const ref = await cloud.builders!.acquire(fixture.spec, lease, ctx)
    expect(await virsh('domstate', ref.machine)).toContain('running')
    await cloud.builders!.release(lease.id, ctx)
  })

  test('a machine of the same name that is somebody else’s is neither adopted nor ended', async () => {
    const ctx = testContext()
    const lease = newLease(fixture.owner, 'x86_64')
    const name = `factory-${lease.id}`
    const file = join(fixture.directory, 'foreign.xml')
    await writeFile(
      file,
      `<domain type='qemu'><name>${name}</name><memory unit='MiB'>64</memory><os><type arch='x86_64' machine='q35'>hvm</type></os></domain>`,
    )
    await virsh('create', file)
    try {
      const cloud = await fixture.open()
      const refused = { code: 'builder-name-taken', message: expect.stringContaining(name) }
      await expect(cloud.builders!.acquire(fixture.spec, lease, ctx)).rejects.toMatchObject(refused)
      await expect(cloud.builders!.release(lease.id, ctx)).rejects.toMatchObject(refused)
      expect(await virsh('domstate', name)).toContain('running')
    } finally {
      await virsh('destroy', name)
    }
  })

  test('a published image boots from the pool, and is not written to', async () => {
    const ctx = testContext()
    const cloud = await fixture.open()
    const path = join(fixture.directory, 'bootable.raw')
    await copyFile(join(fixture.directory, tinyBase), path)
    const { size } = await stat(path)
    const sha256 = await digest(path)
    const sizes = { sizeBytes: size, virtualBytes: size, contentBytes: 4096 }
    const artifact = { arch: 'x86_64', format: 'raw', path, sha256, ...sizes } as const
    const image = await cloud.images!.publish(artifact, imageKey(cloud, fixture.owner, artifact, 'boot'), ctx)
    const lease = newLease(fixture.owner, 'x86_64')
    const spec = { ...fixture.spec, purpose: 'verify', dataBytes: 0, image } as const
    try {
      await cloud.builders!.acquire(spec, lease, ctx)
      let text: string | undefined
      while (!text?.includes('long mode works')) {
        await ctx.sleep(100)
        text = await cloud.builders!.console!(lease.id, ctx)
      }
    } finally {
      await cloud.builders!.release(lease.id, ctx)
    }
    expect(await digest(image.id)).toBe(sha256)
    await cloud.images!.remove(image, ctx)
  })

  test('a base volume that is not there is said with the key of the configuration', async () => {
    const cloud = await fixture.open({ base: { x86_64: { volume: 'nowhere.qcow2' } } })
    const lease = newLease(fixture.owner, 'x86_64')
    await expect(cloud.builders!.acquire(fixture.spec, lease, testContext())).rejects.toMatchObject({
      code: 'base-volume-missing',
      message: expect.stringContaining('clouds.test.base.x86_64.volume'),
      class: 'user',
    })
  })

  test('an architecture without a base disk is refused before anything is asked', async () => {
    const cloud = await fixture.open()
    expect(cloud.builders!.offers('x86_64')).toEqual({ ok: true })
    const verdict = cloud.builders!.offers('s390x')
    expect(verdict).toMatchObject({ ok: false, reason: expect.stringContaining('clouds.test.base.s390x') })
  })
})

describe('images on libvirt', () => {
  test('content arrives as it is, holes stay holes, and the sender hears how far it is', async () => {
    const cloud = await fixture.open()
    const ctx = testContext()
    const artifact = await fixture.makeArtifact('sparse.raw', 8, 512)
    const image = await cloud.images!.publish(
      artifact,
      imageKey(cloud, fixture.owner, artifact, 'sparse'),
      ctx,
    )
    expect(await digest(image.id)).toBe(artifact.sha256)
    const { size, blocks } = await stat(image.id)
    expect(size).toBe(512 * 1024 ** 2)
    expect(blocks * 512).toBeLessThan(16 * 1024 ** 2)
    expect(ctx.told).toContain('sending to qemu:///system')
    await cloud.images!.remove(image, ctx)
  })

  test('a qcow2 is published with the size of the disk inside', async () => {
    const cloud = await fixture.open()
    const ctx = testContext()
    const artifact = await qcow2Artifact('plain.qcow2', [])
    const image = await cloud.images!.publish(artifact, imageKey(cloud, fixture.owner, artifact, 'qcow'), ctx)
    expect(image).toMatchObject({ format: 'qcow2', sizeBytes: 64 * 1024 ** 2 })
    expect(await virsh('vol-info', image.name, fixture.pool.name)).toContain('64.00 MiB')
    await cloud.images!.remove(image, ctx)
  })

  test('a qcow2 that refers to another file is refused', async () => {
    const cloud = await fixture.open()
    const artifact = await qcow2Artifact('trap.qcow2', ['-b', '/etc/passwd', '-F', 'raw', '-u'])
    const key = imageKey(cloud, fixture.owner, artifact, 'trap')
    await expect(cloud.images!.publish(artifact, key, testContext())).rejects.toMatchObject({
      code: 'artifact-mismatch',
      message: expect.stringContaining('backing file'),
    })
    expect((await fixture.pool.files()).filter((name) => name.startsWith('trap'))).toEqual([])
  })

  test('a pool that does not exist is said, with those that do and one line that makes it', async () => {
    const name = `${fixture.pool.name}-new`
    const cloud = await fixture.open({ pool: name })
    const check = () => cloud.images!.check('local', { virtualBytes: 1, storedBytes: 1 }, testContext())
    const failure: unknown = await check().catch((error: unknown) => error)
    expect(failure).toMatchObject({
      code: 'pool-not-found',
      message: expect.stringContaining(fixture.pool.name),
      hint: expect.stringMatching(/\nvirsh .* && virsh .* && virsh .*$/),
    })
    const line = (failure as FactoryError).hint?.split('\n').at(-1) ?? ''
    try {
      await execa('bash', ['-c', line])
      await check()
    } finally {
      for (const end of ['pool-destroy', 'pool-delete', 'pool-undefine']) await virsh(end, '--pool', name)
    }
  })

  test('a pool that is not started is said, with the command that starts it', async () => {
    const name = `${fixture.pool.name}-off`
    await virsh('pool-define-as', '--name', name, '--type', 'dir', '--target', fixture.directory)
    try {
      const cloud = await fixture.open({ pool: name })
      const need = { virtualBytes: 1, storedBytes: 1 }
      await expect(cloud.images!.check('local', need, testContext())).rejects.toMatchObject({
        code: 'pool-inactive',
        hint: expect.stringContaining(`pool-start ${name}`),
      })
    } finally {
      await virsh('pool-undefine', '--pool', name)
    }
  })

  test('a pool without space is said before anything is sent, with the numbers', async () => {
    await using small = await createTestPool(24)
    const cloud = await fixture.open({ pool: small.name })
    const { artifact } = fixture
    const full = { code: 'pool-full', class: 'disk-full', message: expect.stringMatching(/24 MiB.*112 MiB/) }
    const need = { virtualBytes: artifact.virtualBytes, storedBytes: artifact.contentBytes }
    await expect(cloud.images!.check('local', need, testContext())).rejects.toMatchObject(full)
    const key = imageKey(cloud, fixture.owner, artifact, 'big')
    await expect(cloud.images!.publish(artifact, key, testContext())).rejects.toMatchObject(full)
    expect(await small.files()).toEqual([])
  })

  test('a pool that fills up while sending leaves nothing behind', async () => {
    await using small = await createTestPool(24)
    const cloud = await fixture.open({ pool: small.name })
    const artifact = { ...fixture.artifact, contentBytes: 1 }
    const key = imageKey(cloud, fixture.owner, artifact, 'fills')
    const published = cloud.images!.publish(artifact, key, testContext())
    await expect(published).rejects.toMatchObject({ code: 'pool-full', class: 'disk-full' })
    expect(await small.files()).toEqual([])
  })

  test('an interrupted publish takes back what it made', async () => {
    const cloud = await fixture.open()
    const artifact = await fixture.makeArtifact('stopped.raw', 64, 64)
    const key: ImageKey = imageKey(cloud, fixture.owner, artifact, 'stopped')
    const stop = new AbortController()
    const before = await fixture.pool.files()
    const emit = ({ unit }: { unit?: string }) => unit === 'bytes' && setTimeout(() => stop.abort(), 5)
    const ctx = { ...testContext(), signal: stop.signal, emit }
    await expect(cloud.images!.publish(artifact, key, ctx)).rejects.toBeDefined()
    expect(await fixture.pool.files()).toEqual(before)
  })
})

async function qcow2Artifact(name: string, options: string[]) {
  const path = join(fixture.directory, name)
  await execa('qemu-img', ['create', '-q', '-f', 'qcow2', ...options, path, '64M'])
  const { size } = await stat(path)
  const sizes = { sizeBytes: size, virtualBytes: 64 * 1024 ** 2, contentBytes: size }
  return { arch: 'x86_64', format: 'qcow2', path, sha256: await digest(path), ...sizes } as const
}

async function digest(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
