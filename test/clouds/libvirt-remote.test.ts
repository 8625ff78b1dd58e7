import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Finding } from '#clouds/types.ts'
import { imageKey, newLease, testContext } from '#test/contract/cloud.ts'
import { type SshServer, startSshServer } from '#test/servers/sshd.ts'
import { type LibvirtFixture, createLibvirtFixture } from './libvirt-fixture.ts'

let fixture: LibvirtFixture
let server: SshServer
let knownHosts: string
beforeAll(async () => {
  fixture = await createLibvirtFixture()
  server = await startSshServer({ settings: ['AllowTcpForwarding local'] })
  knownHosts = join(fixture.directory, 'known_hosts')
  await writeFile(knownHosts, `[127.0.0.1]:${server.ref.address.port} ${server.ref.hostPublicKey}\n`)
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await fixture[Symbol.asyncDispose]()
})

const deadUri = 'qemu+ssh://root@127.0.0.1:9/system'

function remoteUri(hosts = knownHosts): string {
  const parameters = new URLSearchParams({ keyfile: server.access.privateKeyFile, known_hosts: hosts })
  return `qemu+ssh://root@127.0.0.1:${server.ref.address.port}/system?${parameters}`
}

test('a publish to two hypervisors succeeds on the one that lives and says which one is dead', async () => {
  const ctx = testContext()
  const cloud = await fixture.open({ uri: [deadUri, remoteUri()] })
  const { regions } = cloud.images!
  expect(regions).toEqual(['127.0.0.1:9', `127.0.0.1:${server.ref.address.port}`])
  const [dead, alive] = await Promise.allSettled(
    regions.map((region) => {
      const key = { ...imageKey(cloud, fixture.owner, fixture.artifact, 'remote'), region }
      return cloud.images!.publish(fixture.artifact, key, ctx)
    }),
  )
  expect(dead).toMatchObject({
    status: 'rejected',
    reason: {
      code: 'libvirt-not-running',
      class: 'infra',
      message: expect.stringMatching(/127\.0\.0\.1:9.*Connection refused/),
      hint: expect.stringContaining(`virsh -c '${deadUri}' list`),
    },
  })
  if (alive?.status !== 'fulfilled') throw alive?.reason
  expect(alive.value).toMatchObject({ region: regions[1], sha256: fixture.artifact.sha256 })
  await cloud.images!.remove(alive.value, ctx)
})

test('a builder is rented where a hypervisor answers, and reached through SSH to that hypervisor', async () => {
  const ctx = testContext()
  const cloud = await fixture.open({ uri: [deadUri, remoteUri()] }, join(fixture.directory, 'remote-state'))
  const lease = newLease(fixture.owner, 'x86_64')
  const ref = await cloud.builders!.acquire(fixture.spec, lease, ctx)
  try {
    const [program, ...argv] = ref.address.proxyCommand!
    expect(program).toBe('ssh')
    expect(argv.join(' ')).toContain('StrictHostKeyChecking=yes')
    expect(argv.join(' ')).not.toContain('StrictHostKeyChecking=no')
    expect(argv).toContain(`127.0.0.1:${ref.address.port}`)
    // The tiny guest has no network, but QEMU accepts for it: the way there is open as long as nobody ends it.
    const proxy = execa('ssh', argv, { reject: false, stdin: 'pipe', timeout: 3000 })
    expect(await proxy).toMatchObject({ timedOut: true, stderr: '' })
  } finally {
    await cloud.builders!.release(lease.id, ctx)
  }
})

test('a lease whose record a power cut emptied is not rented again while a hypervisor that may have it is silent', async () => {
  const state = join(fixture.directory, 'emptied-state')
  const cloud = await fixture.open({ uri: [deadUri, remoteUri()] }, state)
  const lease = newLease(fixture.owner, 'x86_64')
  const leases = join(state, 'clouds/test/leases')
  await mkdir(leases)
  await writeFile(join(leases, lease.id), '')
  const silent = { code: 'libvirt-not-running' }
  const acquired = cloud.builders!.acquire(fixture.spec, lease, testContext())
  await expect(acquired).rejects.toMatchObject(silent)
  await expect(cloud.builders!.release(lease.id, testContext())).rejects.toMatchObject(silent)
})

test('a hypervisor with another host key than the known one is refused', async () => {
  const hosts = join(fixture.directory, 'wrong_known_hosts')
  const wrong = fixture.spec.access.hostPublicKey
  await writeFile(hosts, `[127.0.0.1]:${server.ref.address.port} ${wrong}\n`)
  const cloud = await fixture.open({ uri: remoteUri(hosts) })
  const need = { virtualBytes: 1, storedBytes: 1 }
  await expect(cloud.images!.check(cloud.images!.regions[0]!, need, testContext())).rejects.toMatchObject({
    code: 'hypervisor-not-trusted',
    class: 'permission',
  })
  expect(await readFile(hosts, 'utf8')).toContain(wrong)
})

test('libvirt that does not run is said with the command that starts it', async () => {
  const uri = `qemu+unix:///system?socket=${join(fixture.directory, 'no-socket')}`
  const cloud = await fixture.open({ uri })
  const stopped = {
    code: 'libvirt-not-running',
    message: expect.stringContaining('no-socket'),
    hint: expect.stringContaining('systemctl start libvirtd'),
  }
  const lease = newLease(fixture.owner, 'x86_64')
  await expect(cloud.builders!.acquire(fixture.spec, lease, testContext())).rejects.toMatchObject(stopped)
  const need = { virtualBytes: 1, storedBytes: 1 }
  await expect(cloud.images!.check('local', need, testContext())).rejects.toMatchObject(stopped)
})

test('the doctor says of every hypervisor what is right and what is wrong', async () => {
  const base = { x86_64: { volume: 'nowhere.qcow2' } }
  const cloud = await fixture.open({ uri: [deadUri, remoteUri()], base })
  const findings: Finding[] = []
  for await (const finding of cloud.doctor(testContext())) findings.push(finding)
  const severities = findings.map(({ severity, subject }) => `${severity}: ${subject.split(' on ')[0]}`)
  expect(severities.slice(0, 4)).toEqual([
    `error: connection to ${deadUri}`,
    `ok: connection to ${remoteUri()}`,
    `ok: pool ${fixture.pool.name}`,
    'warning: base disk for x86_64',
  ])
  expect(findings.at(-1)?.subject).toContain('accelerator')
})
