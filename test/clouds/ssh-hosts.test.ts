import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readQuarantines } from '#clouds/quarantine.ts'
import type { Cloud, Lease } from '#clouds/types.ts'
import { openBuilder } from '#src/builder/session.ts'
import type { BuilderRef } from '#src/builder/types.ts'
import { gather, newLease, testContext } from '#test/contract/cloud.ts'
import { eventually } from '#test/servers/sshd.ts'
import { startTcpProxy } from '#test/servers/tcp-proxy.ts'
import { type SshFixture, createSshFixture } from './ssh-fixture.ts'

interface Asked {
  lease?: Lease
  leaseMs?: number
  dataBytes?: number
  ctx?: ReturnType<typeof testContext>
}

async function acquire(fixture: SshFixture, cloud: Cloud, asked: Asked = {}): Promise<BuilderRef> {
  const { ctx = testContext(), lease = newLease(fixture.owner, 'x86_64'), ...change } = asked
  const access = await fixture.accessOf(lease.id)
  return await cloud.builders!.acquire({ ...fixture.spec, ...change, access }, lease, ctx)
}

const find = (cloud: Cloud, owner: string) => gather(cloud.builders!.find(owner, testContext()))
const quarantined = ({ stateDirectory }: SshFixture) =>
  readQuarantines(join(stateDirectory, 'clouds', 'standing'))

describe('several hosts', () => {
  test('share the leases: the emptiest gets the next, and all of them are found', async () => {
    await using fixture = await createSshFixture({ count: 2, slots: 2 })
    const cloud = await fixture.open()
    expect(cloud.builders!.maxBuilders).toBe(4)
    expect(cloud.builders!.maxBuildersOf!('x86_64')).toBe(4)
    expect(cloud.builders!.maxBuildersOf!('s390x')).toBe(0)
    const refs = [await acquire(fixture, cloud), await acquire(fixture, cloud), await acquire(fixture, cloud)]
    expect(new Set(refs.slice(0, 2).map(({ machine }) => machine)).size).toBe(2)
    const found = await find(cloud, fixture.owner)
    expect(found.map(({ region }) => region).toSorted()).toEqual(
      refs.map(({ machine }) => machine).toSorted(),
    )
    for (const { leaseId } of refs) await cloud.builders!.release(leaseId, testContext())
    expect(await find(cloud, fixture.owner)).toEqual([])
  })

  test('one that is down is left out, told once with its reason, and used again when its time is over', async () => {
    await using fixture = await createSshFixture({ count: 2 })
    const [down, up] = fixture.hosts
    await down!.die()
    const cloud = await fixture.open()
    const ctx = testContext()
    const first = await acquire(fixture, cloud, { ctx })
    expect(first.address.port).toBe(up!.port)
    expect(ctx.told.join('\n')).toMatch(/did not answer over SSH.*ECONNREFUSED.*left out until/)
    const [record] = await quarantined(fixture)
    expect(record).toMatchObject({ place: `127.0.0.1:${down!.port}`, code: 'host-unreachable', failures: 1 })
    // The other one is taken, which is told; the one that is down is not asked again.
    const again = testContext()
    await expect(acquire(fixture, cloud, { ctx: again })).rejects.toMatchObject({ code: 'no-slot-free' })
    expect(again.told.join('\n')).not.toContain('did not answer')
    await down!.boot()
    const later = { ...testContext(), now: () => Date.now() + 61_000 }
    const second = await acquire(fixture, cloud, { ctx: later })
    expect(second.address.port).toBe(down!.port)
    expect(await quarantined(fixture)).toEqual([])
    for (const { leaseId } of [first, second]) await cloud.builders!.release(leaseId, testContext())
  })

  test('one that is no longer in the configuration keeps its slot until the lease is over, which is told', async () => {
    await using fixture = await createSshFixture({ count: 2 })
    const { leaseId, machine, address } = await acquire(fixture, await fixture.open())
    const others = fixture.hosts.filter(({ port }) => port !== address.port)
    const ctx = testContext()
    await (await fixture.openWith({ hosts: others })).builders!.release(leaseId, ctx)
    expect(ctx.told.join('\n')).toContain(`does not name ${machine} any more: what ${leaseId} has there`)
  })

  test('one with another host key is never logged in to, and the others do the work', async () => {
    await using fixture = await createSshFixture({ count: 2 })
    const [changed, other] = fixture.hosts
    await changed!.changeHostKey()
    await changed!.run('rm -f /root/.ssh/authorized_keys')
    const cloud = await fixture.open()
    const ref = await acquire(fixture, cloud)
    expect(ref.address.port).toBe(other!.port)
    expect(await quarantined(fixture)).toMatchObject([{ code: 'host-key-mismatch' }])
    const refused = acquire(fixture, await fixture.openWith({ hosts: [changed!] }))
    await expect(refused).rejects.toMatchObject({
      code: 'host-key-mismatch',
      message: expect.stringContaining(`127.0.0.1:${changed!.port}; nothing was sent to it`),
      hint: expect.stringContaining('ssh_host_ed25519_key.pub'),
    })
    await cloud.builders!.release(ref.leaseId, testContext())
  })

  test('none of which is well are all tried, also those that are left out, and each has its reason', async () => {
    await using fixture = await createSshFixture({ count: 2 })
    const [down, unfit] = fixture.hosts
    await down!.die()
    await unfit!.lie('uname', 'echo s390x')
    const cloud = await fixture.open()
    for (const failures of [1, 2]) {
      await expect(acquire(fixture, cloud)).rejects.toMatchObject({
        code: 'no-host-usable',
        message: expect.stringMatching(/did not answer over SSH.*it is s390x and not x86_64/),
      })
      expect((await quarantined(fixture)).map((each) => each.failures)).toEqual([failures, failures])
    }
    const [{ since, until } = { since: '', until: '' }] = await quarantined(fixture)
    expect(Date.parse(until) - Date.parse(since)).toBeGreaterThan(120_000)
    await unfit!.tellTruth('uname')
    const ref = await acquire(fixture, cloud)
    expect(ref.address.port).toBe(unfit!.port)
    await cloud.builders!.release(ref.leaseId, testContext())
  })
})

describe('a host', () => {
  test('that cannot build is refused by name of what it lacks', async () => {
    await using fixture = await createSshFixture()
    const [host] = fixture.hosts
    const cloud = await fixture.open()
    await host!.run('rm /usr/local/sbin/podman')
    // An hour, and the time that the look itself takes.
    await host!.lie('date', 'real -d "1 hour 20 seconds" "$@"')
    await expect(acquire(fixture, cloud)).rejects.toMatchObject({
      code: 'host-unfit',
      class: 'capacity',
      message: expect.stringMatching(/it has no podman; its clock is 1 h 00 min off/),
    })
  })

  test('with less space than the build needs says how much, and nothing is made there', async () => {
    await using fixture = await createSshFixture()
    const cloud = await fixture.open()
    const lease = newLease(fixture.owner, 'x86_64')
    await expect(acquire(fixture, cloud, { lease, dataBytes: 2 ** 50 })).rejects.toMatchObject({
      code: 'host-no-room',
      class: 'disk-full',
      message: expect.stringMatching(/has [\d.]+ GiB free/),
    })
    expect(await fixture.hosts[0]!.run('ls /var/lib/image-factory')).toBe('lock')
    expect(await quarantined(fixture)).toEqual([])
  })

  test('that cannot make a slot says why, is left out, and keeps nothing of the lease', async () => {
    await using fixture = await createSshFixture()
    const cloud = await fixture.open()
    await fixture.hosts[0]!.lie(
      'unshare',
      'echo "unshare: unshare failed: Operation not permitted" >&2; exit 1',
    )
    const failed = acquire(fixture, cloud)
    await expect(failed).rejects.toMatchObject({
      code: 'slot-not-made',
      message: expect.stringContaining('Operation not permitted'),
    })
    const left = () => fixture.hosts[0]!.run('ls -A /var/lib/image-factory')
    await eventually('the end of what was begun', async () => (await left()) === 'lock')
    expect(await quarantined(fixture)).toMatchObject([{ code: 'slot-not-made' }])
  })

  test('whose user may not use sudo, or whose key is another, says what to do', async () => {
    await using fixture = await createSshFixture({ host: { user: 'builder' } })
    const cloud = await fixture.open()
    await fixture.hosts[0]!.lie('sudo', 'echo "sudo: a password is required" >&2; exit 1')
    await expect(acquire(fixture, cloud)).rejects.toMatchObject({
      code: 'host-login-refused',
      class: 'permission',
      message: expect.stringContaining('a password is required'),
    })
    await fixture.hosts[0]!.run('rm /home/builder/.ssh/authorized_keys')
    await expect(acquire(fixture, cloud)).rejects.toMatchObject({
      code: 'host-login-refused',
      hint: expect.stringContaining('ssh-copy-id'),
    })
  })

  test('that refuses the key is not asked again and again, as an attacker would do it', async () => {
    await using fixture = await createSshFixture()
    const [host] = fixture.hosts
    await using proxy = await startTcpProxy(host!.port)
    const hosts = [{ ...host!, port: proxy.port }]
    const cloud = await fixture.openWith({ hosts, pace: { connectLimitMs: 20_000 } })
    await host!.run('rm /root/.ssh/authorized_keys')
    await expect(acquire(fixture, cloud)).rejects.toMatchObject({
      code: 'host-login-refused',
      message: expect.stringMatching(/: All configured authentication methods failed$/),
    })
    expect(proxy.accepted).toBe(1)
  })

  test('that gets to taking a slot when the lease was given back already takes none', async () => {
    await using fixture = await createSshFixture()
    const [host] = fixture.hosts
    const cloud = await fixture.open()
    await host!.lie(
      'flock',
      `if [ "$*" = "-w 50 9" ] && mkdir /etc/late 2>/dev/null; then
         echo $PPID >/etc/late/taker
         while [ ! -e /etc/late/go ]; do sleep 0.05; done
       fi
       real "$@"`,
    )
    const stop = new AbortController()
    const lease = newLease(fixture.owner, 'x86_64')
    const ctx = { ...testContext(), signal: stop.signal }
    const stopped = expect(acquire(fixture, cloud, { lease, ctx })).rejects.toThrow('somebody stopped it')
    await eventually('the taking', async () => (await host!.run('cat /etc/late/* || :')) !== '')
    stop.abort(new Error('somebody stopped it'))
    await stopped
    await cloud.builders!.release(lease.id, testContext())
    await host!.run('touch /etc/late/go')
    const taking = 'taker=$(cat /etc/late/taker); [ ! -e /proc/$taker ] || echo yes'
    await eventually('the end of the taking', async () => (await host!.run(taking)) === '')
    expect(await host!.run('ls -A /var/lib/image-factory')).toBe('lock')
    await expect(acquire(fixture, cloud, { lease })).rejects.toMatchObject({ code: 'lease-over' })
    const { leaseId } = await acquire(fixture, cloud)
    await cloud.builders!.release(leaseId, testContext())
  })

  test('keeps what is called a lease and cannot be read, which takes a slot', async () => {
    await using fixture = await createSshFixture()
    const [host] = fixture.hosts
    const strange = '/var/lib/image-factory/strange'
    await host!.run(`mkdir -p ${strange}; echo mine >${strange}/lease`)
    await expect(acquire(fixture, await fixture.open())).rejects.toMatchObject({ code: 'no-slot-free' })
    expect(await host!.run(`cat ${strange}/lease`)).toBe('mine')
  })

  test('does what it is asked for, and its failure is told, also where that cannot be noted down', async () => {
    await using fixture = await createSshFixture()
    const cloud = await fixture.open()
    await writeFile(join(fixture.stateDirectory, 'clouds', 'standing', 'quarantine'), '')
    const { leaseId } = await acquire(fixture, cloud)
    await cloud.builders!.release(leaseId, testContext())
    await fixture.hosts[0]!.die()
    const ctx = testContext()
    await expect(acquire(fixture, cloud, { ctx })).rejects.toMatchObject({ code: 'host-unreachable' })
    expect(ctx.told.join('\n')).toContain('could not be noted down')
  })

  test('that is full of another factory says whose it is, after waiting as long as it was told', async () => {
    await using fixture = await createSshFixture()
    const other = await fixture.openWith({
      owner: 'the-others',
      stateDirectory: `${fixture.stateDirectory}-2`,
    })
    const theirs = newLease('the-others', 'x86_64')
    await acquire(fixture, other, { lease: theirs })
    const cloud = await fixture.openWith({ waitFor: '2s' })
    expect(cloud.builders!.waitMs).toBe(2_000)
    const ctx = testContext()
    const startedAt = Date.now()
    await expect(acquire(fixture, cloud, { ctx })).rejects.toMatchObject({
      code: 'no-slot-free',
      class: 'capacity',
      message: expect.stringMatching(/1 of 1 taken \(the-others's test until/),
    })
    expect(Date.now() - startedAt).toBeGreaterThan(1_500)
    expect(ctx.told.join('\n')).toContain('waiting for a slot')
    // Never beyond half of the lease, which goes on meanwhile.
    await expect(acquire(fixture, cloud, { leaseMs: 400 })).rejects.toMatchObject({ code: 'no-slot-free' })

    const waiting = acquire(fixture, await fixture.openWith({ waitFor: '40s' }))
    await other.builders!.release(theirs.id, testContext())
    const { leaseId } = await waiting
    await cloud.builders!.release(leaseId, testContext())
    expect(await find(other, 'the-others')).toEqual([])
  })

  test('with one slot gives it to one of two factories that ask at once, ten times', async () => {
    await using fixture = await createSshFixture()
    const other = await fixture.openWith({
      owner: 'the-others',
      stateDirectory: `${fixture.stateDirectory}-2`,
    })
    const cloud = await fixture.open()
    for (let round = 0; round < 10; round += 1) {
      const asked = await Promise.allSettled([
        acquire(fixture, cloud),
        acquire(fixture, other, { lease: newLease('the-others', 'x86_64') }),
      ])
      const got = asked.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
      expect(got).toHaveLength(1)
      const refused = asked.find((each) => each.status === 'rejected')
      expect(refused?.reason).toMatchObject({ code: 'no-slot-free' })
      for (const pool of [cloud, other]) await pool.builders!.release(got[0]!.leaseId, testContext())
    }
  })

  test('keeps what is another owner’s: neither taken, nor prolonged, nor given back', async () => {
    await using fixture = await createSshFixture({ slots: 2 })
    const other = await fixture.openWith({
      owner: 'the-others',
      stateDirectory: `${fixture.stateDirectory}-2`,
    })
    const lease = newLease('the-others', 'x86_64')
    await acquire(fixture, other, { lease })
    const cloud = await fixture.open()
    const same = { ...lease, owner: fixture.owner }
    await expect(acquire(fixture, cloud, { lease: same })).rejects.toMatchObject({ code: 'lease-of-another' })
    const prolonged = cloud.builders!.prolong(lease.id, lease.expires, testContext())
    await expect(prolonged).rejects.toMatchObject({ code: 'lease-gone' })
    await cloud.builders!.release(lease.id, testContext())
    expect(await find(other, 'the-others')).toMatchObject([{ leaseId: lease.id, state: 'running' }])
    await other.builders!.release(lease.id, testContext())
  })
})

describe('a host that is restarted', () => {
  test('in the middle of taking or emptying a slot has nothing of it left after a give-back', async () => {
    await using fixture = await createSshFixture()
    const [host] = fixture.hosts
    const directory = '/var/lib/image-factory'
    for (const left of ['.part-t-cut-off', '.gone-t-cut-off']) {
      await host!.run(`mkdir -p ${directory}/${left}/files; touch ${directory}/${left}/lease`)
    }
    const cloud = await fixture.open()
    expect(await find(cloud, fixture.owner)).toEqual([])
    await cloud.builders!.release('t-cut-off', testContext())
    expect(await host!.run(`ls -A ${directory}`)).toBe('lock')
  })

  test('has lost the slot: it is told, cannot be prolonged, and the lease gets a new one that is empty', async () => {
    await using fixture = await createSshFixture()
    const [host] = fixture.hosts
    const cloud = await fixture.open()
    const lease = newLease(fixture.owner, 'x86_64')
    const ref = await acquire(fixture, cloud, { lease })
    const login = await fixture.accessOf(lease.id)
    const limits = { readyLimitMs: 3_000, reconnectLimitMs: 1_000 }
    await using builder = await openBuilder(ref, login, testContext(), limits)
    await builder.writeFile('/var/lib/containers/half', 'a build')
    await host!.die()
    await expect(builder.exec(['true'])).rejects.toMatchObject({
      code: 'builder-unreachable',
      class: 'infra',
    })
    await host!.boot()
    await expect(builder.exec(['true'])).rejects.toMatchObject({ class: 'infra' })
    expect(await find(cloud, fixture.owner)).toMatchObject([{ leaseId: lease.id, state: 'rebooted' }])
    const prolonged = cloud.builders!.prolong(lease.id, lease.expires, testContext())
    await expect(prolonged).rejects.toMatchObject({ code: 'lease-gone' })
    expect(await acquire(fixture, cloud, { lease })).toEqual(ref)
    await using fresh = await openBuilder(ref, login, testContext(), limits)
    expect((await fresh.exec(['ls', '-A', '/var/lib/containers'])).stdout).toBe('')
    await cloud.builders!.release(lease.id, testContext())
    expect(await host!.run('ls -A /var/lib/image-factory')).toBe('lock')
  })

  test('keeps the slot of another factory until its lease is over, and then whoever comes empties it', async () => {
    await using fixture = await createSshFixture()
    const [host] = fixture.hosts
    const other = await fixture.openWith({
      owner: 'the-others',
      stateDirectory: `${fixture.stateDirectory}-2`,
    })
    const lease = newLease('the-others', 'x86_64')
    await acquire(fixture, other, { lease })
    await host!.die()
    await host!.boot()
    const cloud = await fixture.open()
    await expect(acquire(fixture, cloud)).rejects.toMatchObject({ code: 'no-slot-free' })
    await host!.run(`sed -i 's/^expires .*/expires 2026-01-01T00:00:00.000Z/' /var/lib/image-factory/*/lease`)
    const { leaseId } = await acquire(fixture, cloud)
    expect(await host!.run('ls -A -I lock /var/lib/image-factory')).toBe(leaseId)
    expect(await host!.run('cat /root/.ssh/authorized_keys')).not.toContain(lease.id)
    await cloud.builders!.release(leaseId, testContext())
  })
})

describe('a host that does not answer', () => {
  test('keeps nobody from prolonging and giving back what is on another', async () => {
    await using fixture = await createSshFixture({ count: 2 })
    const cloud = await fixture.open()
    const { leaseId, address } = await acquire(fixture, cloud)
    await fixture.hosts.find(({ port }) => port !== address.port)!.die()
    const end = new Date(Date.now() + 7_200_000).toISOString()
    await (await fixture.open()).builders!.prolong(leaseId, end, testContext())
    await (await fixture.open()).builders!.release(leaseId, testContext())
    // Without its record nobody knows that the other one never had it.
    const lost = await fixture.openWith({ stateDirectory: `${fixture.directory}/lost` })
    const released = lost.builders!.release(leaseId, testContext())
    await expect(released).rejects.toMatchObject({ code: 'host-unreachable' })
  })

  test('when its slot is given back is not forgotten: that fails, and succeeds when it is there again', async () => {
    await using fixture = await createSshFixture({ count: 2 })
    const cloud = await fixture.open()
    const ref = await acquire(fixture, cloud)
    const host = fixture.hosts.find(({ port }) => port === ref.address.port)!
    await host.die()
    const release = () => cloud.builders!.release(ref.leaseId, testContext())
    await expect(release()).rejects.toMatchObject({ code: 'host-unreachable' })
    await expect(find(cloud, fixture.owner)).rejects.toMatchObject({ code: 'host-unreachable' })
    await host.boot()
    expect(await find(cloud, fixture.owner)).toHaveLength(1)
    await release()
    expect(await find(cloud, fixture.owner)).toEqual([])
  })

  test('in the middle of a build is replaced by another, under the same lease; both are given back', async () => {
    await using fixture = await createSshFixture({ count: 2 })
    const cloud = await fixture.open()
    const lease = newLease(fixture.owner, 'x86_64')
    const first = await acquire(fixture, cloud, { lease })
    const host = fixture.hosts.find(({ port }) => port === first.address.port)!
    await host.die()
    const second = await acquire(fixture, cloud, { lease })
    expect(second.address.port).not.toBe(first.address.port)
    await host.boot()
    expect((await find(cloud, fixture.owner)).map(({ leaseId }) => leaseId)).toEqual([lease.id, lease.id])
    // The build is on the second one, although the first would be chosen again.
    expect(await acquire(fixture, cloud, { lease })).toEqual(second)
    await cloud.builders!.release(lease.id, testContext())
    expect(await find(cloud, fixture.owner)).toEqual([])
  })

  test('at once when its slot is given back is dialled again until it does, and nothing is told as failed', async () => {
    await using fixture = await createSshFixture()
    const [host] = fixture.hosts
    await using proxy = await startTcpProxy(host!.port)
    const pace = { connectLimitMs: 30_000, greetingLimitMs: 1_000 }
    const cloud = await fixture.openWith({ hosts: [{ ...host!, port: proxy.port }], pace })
    const { leaseId } = await acquire(fixture, cloud)
    proxy.blackHole()
    const before = proxy.accepted
    const released = cloud.builders!.release(leaseId, testContext())
    await eventually('the third connection', () => proxy.accepted >= before + 3)
    proxy.pass()
    await released
    expect(await find(cloud, fixture.owner)).toEqual([])
  })
})
