import { randomUUID } from 'node:crypto'
import { rename, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { watchdogCommand } from '#clouds/libvirt/watchdog.ts'
import { newLease, testContext } from '#test/contract/cloud.ts'
import { startSshServer } from '#test/servers/sshd.ts'
import { type LibvirtFixture, createLibvirtFixture, quickPace } from './libvirt-fixture.ts'
import { localUri, putVolume, virsh } from './libvirt-pool.ts'
import { openInQemu } from './open-files.ts'
import { watchdogsOf } from './watchdogs.ts'

/** A disk without any operating system: its machine never answers, and never gets as far as a timer. */
const dead = { base: { x86_64: { volume: 'empty.raw' } } }

let fixture: LibvirtFixture
beforeAll(async () => {
  fixture = await createLibvirtFixture()
  const disk = join(fixture.directory, 'empty.raw')
  await writeFile(disk, '')
  await truncate(disk, 1024 ** 2)
  await putVolume(fixture.pool, 'empty.raw', disk)
})
afterAll(async () => {
  await fixture[Symbol.asyncDispose]()
})

const machines = () => virsh('list', '--all', '--name')
const patient = { timeout: 20_000, interval: 200 }
const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString()
const leaseOf = (seconds: number) => ({ ...newLease(fixture.owner, 'x86_64'), expires: inSeconds(seconds) })

/** What was left a moment ago may still be on its way to being a watchdog. */
async function startedWatchdogs(uuid: string, count: number): Promise<string[][]> {
  await expect.poll(() => watchdogsOf(uuid), patient).toHaveLength(count)
  return await watchdogsOf(uuid)
}

test('a machine that hangs and whose factory was killed is ended after its lease, with its disks', async () => {
  const lease = leaseOf(8)
  const renting = fixture.startAcquire(fixture.spec, lease, dead)
  while (!(await machines()).includes(lease.id)) expect(renting.hasEnded()).toBe(false)
  await renting.kill()
  const uuid = await virsh('domuuid', `factory-${lease.id}`)
  await expect.poll(machines, patient).not.toContain(lease.id)
  expect(Date.now()).toBeGreaterThan(Date.parse(lease.expires))
  expect(await openInQemu(lease.id)).toEqual([])
  const left = (await fixture.pool.files()).filter((name) => name.includes(lease.id))
  expect(left).toEqual([`factory-${lease.id}-console.log`, `factory-${lease.id}.json`])
  await expect.poll(() => watchdogsOf(uuid), patient).toEqual([])
  await (await fixture.open()).builders!.release(lease.id, testContext())
})

test('a machine that is prolonged lives on past its first end, and not past its second', async () => {
  const ctx = testContext()
  const cloud = await fixture.open(dead)
  const lease = leaseOf(8)
  await cloud.builders!.acquire(fixture.spec, lease, ctx)
  const second = inSeconds(18)
  await cloud.builders!.prolong(lease.id, second, ctx)
  const overMs = (quickPace.graceSeconds + 3 * quickPace.everySeconds) * 1000
  await ctx.sleep(Date.parse(lease.expires) + overMs - Date.now())
  expect(await machines()).toContain(lease.id)
  await expect.poll(machines, patient).not.toContain(lease.id)
  expect(Date.now()).toBeGreaterThan(Date.parse(second))
  await cloud.builders!.release(lease.id, ctx)
})

test('a machine has one watchdog, which ends by itself when the machine is given back', async () => {
  const ctx = testContext()
  const cloud = await fixture.open(dead)
  const lease = newLease(fixture.owner, 'x86_64')
  const { machine } = await cloud.builders!.acquire(fixture.spec, lease, ctx)
  const uuid = await virsh('domuuid', machine)
  await cloud.builders!.acquire(fixture.spec, lease, ctx)
  await startedWatchdogs(uuid, 1)
  await cloud.builders!.release(lease.id, ctx)
  await expect.poll(() => watchdogsOf(uuid), patient).toEqual([])
})

test('a libvirt that does not answer for a while ends no watchdog', async () => {
  const ctx = testContext()
  const cloud = await fixture.open(dead)
  const lease = leaseOf(8)
  const socket = join(fixture.directory, 'socket')
  await symlink('/run/libvirt/libvirt-sock', socket)
  const uri = `qemu+unix:///system?socket=${socket}`
  const away = await fixture.open({ ...dead, uri }, join(fixture.directory, 'socket-state'))
  const { machine } = await away.builders!.acquire(fixture.spec, lease, ctx)
  const uuid = await virsh('domuuid', machine)
  await rename(socket, `${socket}-away`)
  await ctx.sleep(Date.parse(lease.expires) + 4 * quickPace.everySeconds * 1000 - Date.now())
  expect(await watchdogsOf(uuid)).toHaveLength(1)
  expect(await machines()).toContain(lease.id)
  await rename(`${socket}-away`, socket)
  await expect.poll(machines, patient).not.toContain(lease.id)
  await cloud.builders!.release(lease.id, ctx)
})

test('over a remote hypervisor it watches there, with no connection to here', async () => {
  const ctx = testContext()
  await using server = await startSshServer()
  const { port } = server.ref.address
  const knownHosts = join(fixture.directory, 'known_hosts')
  await writeFile(knownHosts, `[127.0.0.1]:${port} ${server.ref.hostPublicKey}\n`)
  const parameters = new URLSearchParams({
    keyfile: server.access.privateKeyFile,
    known_hosts: knownHosts,
  })
  const uri = `qemu+ssh://root@127.0.0.1:${port}/system?${parameters}`
  const cloud = await fixture.open({ ...dead, uri }, join(fixture.directory, 'remote-state'))
  const lease = leaseOf(8)
  const { machine } = await cloud.builders!.acquire(fixture.spec, lease, ctx)
  const [watchdog] = await startedWatchdogs(await virsh('domuuid', machine), 1)
  expect(watchdog![4]).toBe('qemu:///system')
  await server.stop()
  await expect.poll(machines, patient).not.toContain(lease.id)
  await (await fixture.open()).builders!.release(lease.id, ctx)
})

test('where the hypervisor lets us run nothing it watches from here, and over no machine that cannot be seen', async () => {
  const ctx = testContext()
  const cloud = await fixture.open(dead)
  const lease = newLease(fixture.owner, 'x86_64')
  const { machine } = await cloud.builders!.acquire(fixture.spec, lease, ctx)
  const uuid = await virsh('domuuid', machine)
  const options = ['-o', 'BatchMode=yes', '-p', '9']
  const ssh = { options, destination: '127.0.0.1', connection: 'qemu:///system' }
  const hypervisor = { region: 'test', uri: localUri, connection: localUri, ssh }
  const leave = (id: string) => execa('sh', ['-c', watchdogCommand(hypervisor, id, quickPace, Date.now())])
  await leave(uuid)
  await startedWatchdogs(uuid, 2)
  await expect(leave(randomUUID())).rejects.toThrow('failed to get domain')
  await cloud.builders!.release(lease.id, ctx)
  await expect.poll(() => watchdogsOf(uuid), patient).toEqual([])
})
