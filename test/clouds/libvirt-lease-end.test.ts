import { randomBytes } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { marksOf, marksToElement, marksNamespace } from '#clouds/libvirt/lease-marks.ts'
import { prolongedMark } from '#clouds/libvirt/lease-names.ts'
import { gather, newLease, testContext } from '#test/contract/cloud.ts'
import { type LibvirtFixture, createLibvirtFixture } from './libvirt-fixture.ts'
import { putVolume, virsh } from './libvirt-pool.ts'
import { openInQemu } from './open-files.ts'

let fixture: LibvirtFixture
beforeAll(async () => {
  fixture = await createLibvirtFixture()
})
afterAll(async () => {
  await fixture[Symbol.asyncDispose]()
})

async function filesOf(leaseId: string): Promise<string[]> {
  return (await fixture.pool.files()).filter((name) => name.includes(leaseId))
}

/** What stays in the pool while a machine runs: a few KiB. */
const staying = (leaseId: string) => [`factory-${leaseId}-console.log`, `factory-${leaseId}.json`]

async function unlinked(leaseId: string): Promise<string[]> {
  const files = (await openInQemu(leaseId)).filter(({ path }) => path.endsWith(' (deleted)'))
  return [...new Set(files.map(({ path }) => path.split(leaseId)[1]!.replace(' (deleted)', '')))].toSorted()
}

test('disks and seed of a running machine are held by QEMU alone, and the machine is adopted and found as ever', async () => {
  const ctx = testContext()
  const cloud = await fixture.open()
  const lease = newLease(fixture.owner, 'x86_64')
  const ref = await cloud.builders!.acquire(fixture.spec, lease, ctx)
  expect(await filesOf(lease.id)).toEqual(staying(lease.id))
  expect(await unlinked(lease.id)).toEqual(['-data.raw', '-seed.iso', '.qcow2'])
  expect(await cloud.builders!.acquire(fixture.spec, lease, ctx)).toEqual(ref)
  const found = await gather(cloud.builders!.find(fixture.owner, ctx))
  expect(found.map(({ id }) => id).toSorted()).toEqual([ref.machine, ...staying(lease.id)].toSorted())

  await virsh('destroy', ref.machine)
  await expect.poll(() => openInQemu(lease.id)).toEqual([])
  await cloud.builders!.release(lease.id, ctx)
  expect(await filesOf(lease.id)).toEqual([])
})

test('the seed was for nobody else to read, brings our host key, and is in no definition', async () => {
  const ctx = testContext()
  const cloud = await fixture.open()
  const lease = newLease(fixture.owner, 'x86_64')
  const ref = await cloud.builders!.acquire(fixture.spec, lease, ctx)
  const [seed] = (await openInQemu(lease.id)).filter(({ path }) => path.includes('-seed.iso'))
  expect((await stat(seed!.descriptor)).mode & 0o777).toBe(0o600)
  const iso = join(fixture.directory, 'seed.iso')
  await copyFile(seed!.descriptor, iso)
  const userData = join(fixture.directory, 'user-data')
  await execa('xorriso', ['-osirrox', 'on', '-indev', iso, '-extract', '/user-data', userData])
  const secret = (await readFile(fixture.spec.access.hostPrivateKeyFile, 'utf8')).split('\n')[1]
  expect(await readFile(userData, 'utf8')).toContain(secret)
  expect(await virsh('dumpxml', ref.machine)).not.toContain(secret)
  await cloud.builders!.release(lease.id, ctx)
})

test('a factory that is killed while its machine starts leaves no disk behind', async () => {
  const ctx = testContext()
  const lease = newLease(fixture.owner, 'x86_64')
  const renting = fixture.startAcquire(fixture.spec, lease)
  while (!(await virsh('list', '--all', '--name')).includes(lease.id)) expect(renting.hasEnded()).toBe(false)
  await renting.kill()
  await expect.poll(() => filesOf(lease.id), { timeout: 20_000 }).toEqual(staying(lease.id))
  expect(await virsh('domstate', `factory-${lease.id}`)).toBe('running')
  await (await fixture.open()).builders!.release(lease.id, ctx)
  expect(await filesOf(lease.id)).toEqual([])
})

test('a UEFI machine that powers itself off while nobody is there leaves neither disk nor firmware state', async () => {
  const ctx = testContext(120_000)
  const disk = join(fixture.directory, 'off.raw')
  const startup = join(fixture.directory, 'startup.nsh')
  await writeFile(startup, 'reset -s\r\n')
  await execa('mformat', ['-C', '-i', disk, '-f', '2880', '::'])
  await execa('mcopy', ['-i', disk, startup, '::'])
  await putVolume(fixture.pool, 'off.raw', disk)
  const cloud = await fixture.open({ base: { aarch64: { volume: 'off.raw' } } })
  const lease = newLease(fixture.owner, 'aarch64')
  const { machine } = await cloud.builders!.acquire({ ...fixture.spec, arch: 'aarch64' }, lease, ctx)
  expect(await filesOf(lease.id)).toEqual(staying(lease.id))
  expect(await unlinked(lease.id)).toEqual(['-data.raw', '-seed.iso', '-vars.fd', '.qcow2'])
  await expect
    .poll(() => virsh('list', '--all', '--name'), { timeout: 100_000, interval: 500 })
    .not.toContain(machine)
  expect(await openInQemu(lease.id)).toEqual([])
  expect(await filesOf(lease.id)).toEqual(staying(lease.id))
  await cloud.builders!.release(lease.id, ctx)
}, 150_000)

test('whatever a kill leaves of a prolongation, the later end counts, and a late sleeper cannot take it back', async () => {
  const ctx = testContext()
  const cloud = await fixture.open()
  const lease = newLease(fixture.owner, 'x86_64')
  const { machine } = await cloud.builders!.acquire(fixture.spec, lease, ctx)
  const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString()
  const ends = async () =>
    new Set((await gather(cloud.builders!.find(fixture.owner, ctx))).map(({ expires }) => expires))

  const metadataOnly = inHours(2)
  const element = marksToElement({ ...marksOf(lease, 'build'), expires: metadataOnly }, 2222)
  await virsh('metadata', machine, '--uri', marksNamespace, '--key', 'factory', '--set', element, '--live')
  expect(await ends()).toEqual(new Set([metadataOnly]))
  const markOnly = inHours(3)
  await writeFile(join(fixture.pool.path, prolongedMark(lease.id, markOnly)), '')
  expect(await ends()).toEqual(new Set([markOnly]))
  const whole = inHours(4)
  await cloud.builders!.prolong(lease.id, whole, ctx)
  await cloud.builders!.prolong(lease.id, inHours(3.5), ctx)
  expect(await ends()).toEqual(new Set([whole]))
  expect(await filesOf(lease.id)).toEqual([...staying(lease.id), prolongedMark(lease.id, whole)])

  await virsh('destroy', machine)
  expect(await ends(), 'of a machine that has ended').toEqual(new Set([whole]))
  const gone = { code: 'lease-gone', class: 'infra' }
  await expect(cloud.builders!.prolong(lease.id, inHours(5), ctx)).rejects.toMatchObject(gone)
  await cloud.builders!.release(lease.id, ctx)
  expect(await filesOf(lease.id)).toEqual([])
})

test('files that a killed factory had for a moment go with the next one, and those of a living one stay', async () => {
  const dead = spawnSync('true').pid
  const [left, used] = [dead, process.pid].map((pid) => `/dev/shm/factory-of-${pid}-test`)
  for (const directory of [left!, used!]) await mkdir(directory)
  try {
    await fixture.open()
    expect(existsSync(left!)).toBe(false)
    expect(existsSync(used!)).toBe(true)
  } finally {
    await rm(used!, { recursive: true })
  }
})

test('marks that a killed factory made and did not fill are found and removed, a foreign file of that name is not', async () => {
  const ctx = testContext()
  const cloud = await fixture.open()
  const torn = `t-${randomBytes(5).toString('hex')}`
  const foreign = `t-${randomBytes(5).toString('hex')}`
  await writeFile(join(fixture.pool.path, `factory-${torn}.json`), Buffer.alloc(200))
  await writeFile(join(fixture.pool.path, `factory-${foreign}.json`), '{"mine": true}')
  const found = await gather(cloud.builders!.find(fixture.owner, ctx))
  expect(found).toMatchObject([{ kind: 'disk', leaseId: torn, owner: fixture.owner }])
  expect(Date.parse(found[0]!.expires!)).toBeGreaterThan(Date.now())
  await cloud.builders!.release(torn, ctx)
  expect(await filesOf(torn)).toEqual([])
  expect(await filesOf(foreign)).toEqual([`factory-${foreign}.json`])
})
