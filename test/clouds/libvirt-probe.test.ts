import { randomBytes, randomUUID } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DomainDefinition } from '#clouds/libvirt/domain.ts'
import { startHeldMachine } from '#clouds/libvirt/held-machine.ts'
import { openHypervisor } from '#clouds/libvirt/hypervisor.ts'
import { marksToXml } from '#clouds/libvirt/lease-marks.ts'
import { openPool } from '#clouds/libvirt/pools.ts'
import { tryGuest } from '#clouds/libvirt/probe.ts'
import { newLease, testContext } from '#test/contract/cloud.ts'
import { type LibvirtFixture, createLibvirtFixture } from './libvirt-fixture.ts'
import { localUri, virsh } from './libvirt-pool.ts'

let fixture: LibvirtFixture
beforeAll(async () => {
  fixture = await createLibvirtFixture()
})
afterAll(async () => {
  await fixture[Symbol.asyncDispose]()
})

async function openTestPool() {
  const hypervisor = await openHypervisor(localUri, fixture.directory)
  return await openPool(hypervisor, fixture.pool.name, testContext())
}

function probeMarks() {
  const { id, ...lease } = newLease(fixture.owner, 'x86_64')
  return {
    ...lease,
    lease: `probe-${randomBytes(4).toString('hex')}${id.slice(-2)}`,
    purpose: 'build',
  } as const
}

test('the tiny guest gets where it must, so what does not get there does not work', async () => {
  const before = await fixture.pool.files()
  await tryGuest(await openTestPool(), 'qemu', probeMarks(), 40_000, testContext())
  expect(await fixture.pool.files()).toEqual(before)
})

test('a guest that gets nowhere is ended when its time is over', async () => {
  const before = await fixture.pool.files()
  const marks = probeMarks()
  const tried = tryGuest(await openTestPool(), 'qemu', marks, 1, testContext())
  await expect(tried).rejects.toMatchObject({ code: 'deadline-passed' })
  expect(await fixture.pool.files()).toEqual(before)
  expect(await virsh('list', '--all', '--name')).not.toContain(marks.lease)
})

test('a guest on trial ends when the factory is killed, also one that hangs', async () => {
  const marks = probeMarks()
  const trial = fixture.startTryGuest(marks)
  while (!(await virsh('list', '--name')).includes(marks.lease)) expect(trial.hasEnded()).toBe(false)
  await trial.kill()
  await expect.poll(() => virsh('list', '--all', '--name'), { timeout: 20_000 }).not.toContain(marks.lease)
  const left = (await fixture.pool.files()).filter((name) => name.includes(marks.lease))
  expect(left).toContain(`factory-${marks.lease}.json`)
  await (await fixture.open()).builders!.release(marks.lease, testContext())
})

test('a guest on trial is ended also when the virsh that holds it has stopped moving', async () => {
  const marks = probeMarks()
  const consolePath = join(fixture.pool.path, 'stopped-console.log')
  const definition: DomainDefinition = {
    name: `factory-${marks.lease}`,
    uuid: randomUUID(),
    arch: 'x86_64',
    type: 'qemu',
    cpus: 1,
    memoryBytes: 256 * 1024 ** 2,
    metadata: marksToXml(marks, 0),
    disks: [],
    consolePath,
    restartable: false,
  }
  const guest = await startHeldMachine(await openTestPool(), definition, testContext())
  const { stdout } = await execa('pgrep', ['-P', String(process.pid), '-x', 'virsh'])
  process.kill(Number(stdout), 'SIGSTOP')
  await guest[Symbol.asyncDispose]()
  await expect.poll(() => virsh('list', '--all', '--name'), { timeout: 20_000 }).not.toContain(marks.lease)
  await rm(consolePath, { force: true })
})

test('a trial that cannot start says why, and leaves nothing', async () => {
  const before = await fixture.pool.files()
  const marks = { ...probeMarks(), arch: 'aarch64' } as const
  const tried = tryGuest(await openTestPool(), 'kvm', marks, 40_000, testContext())
  await expect(tried).rejects.toMatchObject({ code: 'emulator-missing', class: 'user' })
  expect(await fixture.pool.files()).toEqual(before)
})

test('KVM is taken or refused by trial, and the verdict with its reason is remembered', async () => {
  const ctx = testContext()
  const state = join(fixture.directory, 'probe-state')
  const cloud = await fixture.open({ accelerator: 'auto' }, state)
  const before = await fixture.pool.files()
  const lease = newLease(fixture.owner, 'x86_64')
  const ref = await cloud.builders!.acquire(fixture.spec, lease, ctx)
  const definition = await virsh('dumpxml', ref.machine)
  await cloud.builders!.release(lease.id, ctx)
  expect(await fixture.pool.files()).toEqual(before)

  const offered = (await virsh('capabilities')).includes("<domain type='kvm'/>")
  if (!offered) return expect(definition).toContain("<domain type='qemu'")
  const remembered = JSON.parse(await readFile(join(state, 'clouds/test/accelerators.json'), 'utf8'))
  expect(definition).toContain(`<domain type='${remembered.local.type}'`)
  expect(remembered.local.reason).toMatch(/KVM/)
  const again = testContext()
  const second = await cloud.builders!.acquire(fixture.spec, lease, again)
  await cloud.builders!.release(second.leaseId, again)
  expect(again.told.join()).not.toContain('trying whether KVM works')
})
