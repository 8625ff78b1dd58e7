import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Cloud, Lease } from '#clouds/types.ts'
import { diskBudget } from '#src/builder/budget.ts'
import { prolongLease } from '#src/builder/heartbeat.ts'
import { sshArguments } from '#src/builder/openssh.ts'
import type { Access } from '#src/builder/keys.ts'
import { openBuilder } from '#src/builder/session.ts'
import { outputDirectory, prepareStorage } from '#src/builder/storage.ts'
import type { Builder, BuilderLogin, BuilderRef } from '#src/builder/types.ts'
import { gather, newLease, testContext } from '#test/contract/cloud.ts'
import { eventually } from '#test/servers/sshd.ts'
import { type SshFixture, createSshFixture } from './ssh-fixture.ts'

const limits = { readyLimitMs: 5_000, reconnectLimitMs: 2_000 }

interface Rented extends AsyncDisposable {
  access: Access
  lease: Lease
  ref: BuilderRef
  builder: Builder
}

async function rent(fixture: SshFixture, cloud: Cloud, leaseMs = 3_600_000): Promise<Rented> {
  const lease = newLease(fixture.owner, 'x86_64')
  const access = await fixture.accessOf(lease.id)
  const ref = await cloud.builders!.acquire({ ...fixture.spec, leaseMs, access }, lease, testContext())
  const builder = await openBuilder(ref, access, testContext(), limits)
  return {
    access,
    lease,
    ref,
    builder,
    async [Symbol.asyncDispose]() {
      await builder[Symbol.asyncDispose]()
      await cloud.builders!.release(lease.id, testContext())
    },
  }
}

/** As podman does it for a container: a group below that of the slot, which is the root of all that it sees. */
const inItsGroup = `
  [ "$(cat /proc/self/cgroup | grep ^0:)" = 0::/init ]
  mkdir -p /sys/fs/cgroup/libpod_parent/container
  sleep 600 &
  echo $! >/sys/fs/cgroup/libpod_parent/container/cgroup.procs
  [ -z "$(cat /sys/fs/cgroup/cgroup.procs)" ]`

/** Everything that could be left on a host. */
async function remains(fixture: SshFixture): Promise<string> {
  return await fixture.hosts[0]!.run(`
    find /etc /home /root /run /tmp /var/lib /var/tmp /dev/shm -xdev -not -path '/dev/shm/*' -printf '%p %y %m %U\\n' | sort
    cat /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys 2>/dev/null || :
    echo
    cut -d ' ' -f 3- /proc/self/mountinfo | sort
    # Those of sshd come and go with its connections.
    ps -e -o comm= | grep -v -e sshd -e ps -e sort -e bash -e grep | sort
    find /sys/fs/cgroup/image-factory -type d 2>/dev/null || :
    losetup --list --noheadings --output BACK-FILE | grep -c slot-disk || :`)
}

/** What is there when nothing moves any more: processes of connections that were closed take a moment to end. */
async function settled(fixture: SshFixture): Promise<string> {
  let before = ''
  await eventually('rest', async () => {
    const now = await remains(fixture)
    const rests = now === before
    before = now
    return rests
  })
  return before
}

async function expectNothingMore(fixture: SshFixture, before: string): Promise<void> {
  const same = async () => (await remains(fixture)) === before
  await eventually('nothing more than before', same).catch(() => undefined)
  expect(await remains(fixture)).toBe(before)
}

for (const { user, cgroup2 } of [
  { user: 'root', cgroup2: false },
  { user: 'builder', cgroup2: true },
]) {
  describe(`a slot of a host where ${user} logs in, ${cgroup2 ? 'with' : 'without'} cgroup 2`, () => {
    let fixture: SshFixture
    beforeAll(async () => {
      fixture = await createSshFixture({ slots: 2, host: { user, cgroup2 } })
      // What stays for good: the places that slots are mounted over, and the lock.
      await using _first = await rent(fixture, await fixture.open())
    })
    afterAll(async () => {
      await fixture[Symbol.asyncDispose]()
    })

    test('does the work of a build: storage, a context, a job, and a disk that is brought here', async () => {
      const here = await mkdtemp(join(tmpdir(), 'slot-'))
      const cloud = await fixture.open()
      await using rented = await rent(fixture, cloud)
      const { builder } = rented
      const ctx = testContext()
      const budget = diskBudget({ contextBytes: 0, baseBytes: 1, toolBytes: 1, formats: ['raw'] })
      expect((await prepareStorage(builder, budget, ctx)).freeBytes).toBeGreaterThan(1024 ** 3)
      await writeFile(join(here, 'Containerfile'), 'FROM scratch\n')
      await builder.sendTree(here, ['Containerfile'], '/var/lib/factory/work/context')
      await builder.writeFile('/run/factory/secret', 'hidden\n')
      const script = `
        grep -q scratch /var/lib/factory/work/context/Containerfile
        [ "$(cat /run/factory/secret)" = hidden ]
        truncate -s 8M ${outputDirectory}/disk.raw
        head -c 300000 /dev/urandom | dd of=${outputDirectory}/disk.raw bs=1M seek=2 conv=notrunc status=none
        echo "made by $(id -u) in process $$"
        sha256sum ${outputDirectory}/disk.raw`
      await builder.startJob('make', script)
      const lines: string[] = []
      const followed = { fromByte: 0, limitMs: 20_000, onLine: (line: string) => void lines.push(line) }
      expect(await builder.followJob('make', followed)).toMatchObject({ exitCode: 0 })
      expect(lines[0]).toMatch(/^made by 0 in process \d+$/)
      const destination = join(here, 'disk.raw')
      const wanted = { ctx, label: 'disk', maxSizeBytes: 1e9 }
      const { sha256 } = await builder.fetch(`${outputDirectory}/disk.raw`, destination, wanted)
      expect(lines[1]).toContain(sha256)
      expect(
        createHash('sha256')
          .update(await readFile(destination))
          .digest('hex'),
      ).toBe(sha256)
      await rm(here, { recursive: true })
    })

    test('and another one at the same time do not see each other, nor what is on the host', async () => {
      const cloud = await fixture.open()
      await fixture.hosts[0]!.run('echo mine >/var/lib/containers/of-the-host; echo mine >/root/of-the-host')
      await using one = await rent(fixture, cloud)
      await using other = await rent(fixture, cloud)
      const places = [
        '/var/lib/factory',
        '/var/lib/containers',
        '/var/tmp',
        '/tmp',
        '/root',
        '/run',
        '/dev/shm',
      ]
      const script = `
        for place in ${places.join(' ')}; do echo "$0" >$place/mark; done
        sleep 600 & echo $!
        exec sleep 600`
      for (const { builder } of [one, other]) await builder.startJob('same-name', script)
      for (const [index, { builder, lease }] of [one, other].entries()) {
        const not = [other, one][index]!.lease.id
        const { stdout } = await builder.exec([
          'bash',
          '-c',
          `ls -AR ${places.join(' ')} ${join('/var/lib/image-factory', lease.id)} /var/lib/image-factory 2>&1 || :
           cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '`,
        ])
        expect(stdout).toContain('mark')
        expect(stdout).not.toContain('of-the-host')
        expect(stdout).not.toContain(not)
        const sleeping = await builder.exec(['bash', '-c', 'cat /proc/[0-9]*/comm | grep -c sleep'])
        expect(sleeping.stdout.trim()).toBe('2')
      }
      await one.builder.stopJob('same-name')
      const left = 'cat /proc/[0-9]*/comm | grep -c sleep || :'
      expect((await one.builder.exec(['bash', '-c', left])).stdout.trim()).toBe('0')
      expect((await other.builder.exec(['bash', '-c', left])).stdout.trim()).toBe('2')
      await fixture.hosts[0]!.run('rm /var/lib/containers/of-the-host /root/of-the-host')
    })

    test('may have as many files open as the host allows anybody', async () => {
      await using rented = await rent(fixture, await fixture.open())
      const { stdout } = await rented.builder.exec(['bash', '-c', 'ulimit -Sn; ulimit -Hn'])
      const [soft, hard] = stdout.trim().split('\n').map(Number)
      expect(soft).toBe(Math.min(hard!, 1_048_576))
    })

    test('looks names up as the host does, and leaves no dead processes lying about', async () => {
      await using rented = await rent(fixture, await fixture.open())
      const { builder } = rented
      const resolver = await builder.exec(['cat', '/etc/resolv.conf'])
      expect(resolver.stdout).toBe('nameserver 192.0.2.1\n')
      await builder.exec(['bash', '-c', 'for i in 1 2 3; do setsid bash -c "sleep 0.1 & exit" & done; wait'])
      const zombies = ['bash', '-c', 'grep -l "^State:.*zombie" /proc/[0-9]*/status || :']
      await eventually('the end of all', async () => (await builder.exec(zombies)).stdout === '')
      expect((await builder.exec(['bash', '-c', '[ ! -e /run/systemd/system ]'])).exitCode).toBe(0)
    })

    test('is all that the key of a lease opens', async () => {
      await using rented = await rent(fixture, await fixture.open())
      const input = 'echo "$HOME $PWD $(cat /proc/1/comm)"\nexit\n'
      const ssh = async (options: string[], words: string[] = [], login: BuilderLogin = rented.access) => {
        const argv = [...options, ...(await sshArguments(rented.ref, login)), ...words]
        return await execa('ssh', argv, { reject: false, input, timeout: 10_000 })
      }
      // A shell, as factory ssh opens it, also with a terminal.
      expect((await ssh([])).stdout).toBe('/root /root bash')
      expect((await ssh(['-tt'])).stdout).toContain('/root /root bash')
      const forward = ['-o', 'ClearAllForwardings=no', '-W', `127.0.0.1:${rented.ref.address.port}`]
      expect((await ssh(forward)).stderr).toContain('forwarding failed')
      expect((await ssh(forward, [], fixture.hosts[0]!.access)).stdout).toContain('SSH-2.0')
      expect((await ssh(['-s'], ['sftp'])).stdout).toBe('')
    })

    test('leaves nothing when it is given back, whatever the build did', async () => {
      const before = await settled(fixture)
      {
        await using rented = await rent(fixture, await fixture.open())
        const script = `
          ( setsid setsid sleep 600 </dev/null >/dev/null 2>&1 & )
          trap '' TERM HUP INT
          mkdir -p /var/lib/containers/storage/overlay/a/b /var/tmp/deep
          echo x >/var/lib/containers/storage/overlay/a/b/locked
          chattr +i /var/lib/containers/storage/overlay/a/b/locked
          truncate -s 4M /var/tmp/slot-disk.raw
          losetup --find /var/tmp/slot-disk.raw
          mount -t tmpfs tmpfs /var/tmp/deep
          echo y >/var/tmp/deep/y
          mount --bind /var/lib/containers /mnt
          unshare --pid --fork sleep 600 &
          ${cgroup2 ? inItsGroup : ''}
          fallocate -l 1M /var/lib/factory/swap
          while :; do sleep 1; done`
        await rented.builder.startJob('stubborn', script)
        await eventually('the swap file', async () => {
          const asked = await rented.builder.exec(['ls', '/var/lib/factory'])
          return asked.stdout.includes('swap')
        })
        expect(await remains(fixture)).toContain(rented.lease.id)
      }
      await expectNothingMore(fixture, before)
    })
  })
}

describe('a slot', () => {
  let fixture: SshFixture
  beforeAll(async () => {
    fixture = await createSshFixture()
    await using _first = await rent(fixture, await fixture.open())
  })
  afterAll(async () => {
    await fixture[Symbol.asyncDispose]()
  })

  test('ends by itself with its lease, with every process and every file, and its key opens nothing any more', async () => {
    const before = await settled(fixture)
    const cloud = await fixture.open()
    const { builder, lease } = await rent(fixture, cloud, 4_000)
    await builder.startJob('long', 'touch /var/lib/containers/x; sleep 600')
    await eventually('the end of the lease', async () => {
      return (await gather(cloud.builders!.find(fixture.owner, testContext()))).length === 0
    })
    await expectNothingMore(fixture, before)
    await builder[Symbol.asyncDispose]()
    const end = new Date(Date.now() + 3_600_000).toISOString()
    const prolonged = cloud.builders!.prolong(lease.id, end, testContext())
    await expect(prolonged).rejects.toMatchObject({ code: 'lease-gone' })
    await cloud.builders!.release(lease.id, testContext())
  })

  test('lives on when the heartbeat moves its end, and ends at the new one', async () => {
    const cloud = await fixture.open()
    const { builder, lease } = await rent(fixture, cloud, 3_000)
    const startedAt = Date.now()
    await prolongLease(builder, 7_000)
    const find = () => gather(cloud.builders!.find(fixture.owner, testContext()))
    await eventually('the end of the lease', async () => (await find()).length === 0, 20_000)
    expect(Date.now() - startedAt).toBeGreaterThan(5_000)
    await builder[Symbol.asyncDispose]()
    await cloud.builders!.release(lease.id, testContext())
  })

  test('tells an ended slot from one that hangs: a command in it fails and says so', async () => {
    const cloud = await fixture.open()
    const { builder, lease } = await rent(fixture, cloud)
    await fixture.hosts[0]!.run(`touch /var/lib/image-factory/${lease.id}/ending`)
    await expect(builder.exec(['true'])).rejects.toMatchObject({
      class: 'infra',
      message: expect.stringContaining(`the slot of lease ${lease.id} is over`),
    })
    await builder[Symbol.asyncDispose]()
    await cloud.builders!.release(lease.id, testContext())
  })

  test('whose keeper is killed ends at once, and is emptied by whoever comes next', async () => {
    const before = await settled(fixture)
    const cloud = await fixture.open()
    const { builder, lease } = await rent(fixture, cloud)
    await builder.startJob('long', 'touch /var/lib/containers/x; sleep 600')
    await fixture.hosts[0]!.run(`pkill -KILL -f -- "keeper .* ${lease.id} "`)
    const find = () => gather(cloud.builders!.find(fixture.owner, testContext()))
    await eventually('the end of the slot', async () => (await find())[0]?.state === 'over')
    await builder[Symbol.asyncDispose]()
    expect(await fixture.hosts[0]!.run("pgrep -f 'sleep [6]00' || :")).toBe('')
    await cloud.builders!.release(lease.id, testContext())
    await expectNothingMore(fixture, before)
  })

  test('kills its own first process and no other that has got its number', async () => {
    const cloud = await fixture.open()
    const [host] = fixture.hosts
    const { builder, lease } = await rent(fixture, cloud)
    await builder[Symbol.asyncDispose]()
    const other = await host!.run('setsid sleep 555 </dev/null >/dev/null 2>&1 & echo $!')
    await host!.run(`sed -i 's/^[0-9]*/${other}/' /var/lib/image-factory/${lease.id}/init`)
    await cloud.builders!.release(lease.id, testContext())
    expect(await host!.run('ls -A /var/lib/image-factory')).toBe('lock')
    await host!.run(`kill ${other}`)
  })

  test('whose keeper comes too late, when somebody else has made the slot anew, has one keeper', async () => {
    const cloud = await fixture.open()
    const [host] = fixture.hosts
    const lease = newLease(fixture.owner, 'x86_64')
    const spec = { ...fixture.spec, access: await fixture.accessOf(lease.id) }
    const acquire = () => cloud.builders!.acquire(spec, lease, testContext())
    await host!.lie(
      'flock',
      `if [ "$*" = "-w 10 8" ] && mkdir /etc/late 2>/dev/null; then
         echo $PPID >/etc/late/keeper
         while [ ! -e /etc/late/go ]; do sleep 0.05; done
       fi
       real "$@"`,
    )
    const first = acquire().catch(() => undefined)
    await eventually('the first keeper', async () => (await host!.run('cat /etc/late/* || :')) !== '')
    // Whoever waits for the keeper holds the lock, and is the only one.
    const kill = `for each in /proc/[0-9]*; do
      [ "$each/fd/9" -ef /var/lib/image-factory/lock ] && kill -KILL \${each#/proc/}
    done || :`
    await host!.run(kill)
    await first
    await acquire()
    await host!.run('touch /etc/late/go')
    const late = 'keeper=$(cat /etc/late/keeper); [ ! -e /proc/$keeper ] || echo yes'
    await eventually('the end of the late one', async () => (await host!.run(late)) === '')
    await host!.tellTruth('flock')
    await host!.run('rm -r /etc/late')
    await cloud.builders!.release(lease.id, testContext())
    expect(await host!.run('ls -A /var/lib/image-factory')).toBe('lock')
  })

  test('that ends while keys cannot be written leaves those that are there, and is given back when they can', async () => {
    const cloud = await fixture.open()
    const [host] = fixture.hosts
    const { builder, lease } = await rent(fixture, cloud, 4_000)
    await builder[Symbol.asyncDispose]()
    await host!.run(`
      cp -a /root/.ssh /root/kept
      mount -t tmpfs -o mode=0700,size=8k tmpfs /root/.ssh
      cp -a /root/kept/. /root/.ssh
      head -c 8192 /dev/zero >/root/.ssh/full 2>/dev/null || :`)
    const keys = () => host!.run('cat /root/.ssh/authorized_keys')
    const before = await keys()
    expect(before).toContain(lease.id)
    const find = () => gather(cloud.builders!.find(fixture.owner, testContext()))
    await eventually('the end of the lease', async () => (await find())[0]?.state === 'over')
    expect(await keys()).toBe(before)
    const refused = cloud.builders!.release(lease.id, testContext())
    await expect(refused).rejects.toMatchObject({ class: 'disk-full' })
    expect(await host!.run(`ls -A /root/.ssh /var/lib/image-factory/${lease.id}/files 2>&1 || :`)).toMatch(
      /^ls: .*files': No such file[^]*authorized_keys\nfull$/,
    )
    await host!.run('rm /root/.ssh/full')
    await cloud.builders!.release(lease.id, testContext())
    expect(await keys()).toBe(before.split('\n').slice(0, 1).join('\n'))
    await host!.run('umount /root/.ssh; rm -r /root/kept; sed -i "/ lease /d" /root/.ssh/authorized_keys')
    expect(await host!.run('ls -A /var/lib/image-factory')).toBe('lock')
  })
})
