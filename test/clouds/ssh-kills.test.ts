import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Lease } from '#clouds/types.ts'
import { openBuilder } from '#src/builder/session.ts'
import { gather, newLease, testContext } from '#test/contract/cloud.ts'
import { eventually } from '#test/servers/sshd.ts'
import { type SshFixture, createSshFixture } from './ssh-fixture.ts'
import type { Orders } from './ssh-orchestrator.ts'

/** The tools that change something when a slot is taken or given back. */
const tools = [
  'flock',
  'install',

  'mkdir',
  'mkfifo',
  'mount',
  'mv',
  'rm',
  'sed',
  'setsid',
  'sync',
  'touch',
  'unshare',
]

/** Counts every call; the one of the number in `stop` waits there, and then its program dies when `die` says so. */
const stopHere = `
exec 200>/etc/points/lock
/usr/bin/flock 200
run=/etc/points/$(cat /etc/points/run)
echo "$0 $*" >>$run/calls
number=$(wc -l <$run/calls)
exec 200>&-
if [ "$number" = "$(cat $run/stop)" ]; then
  : >$run/reached
  while [ ! -e $run/go ]; do sleep 0.05; done
  [ ! -e $run/die ] || kill -KILL "$PPID"
fi
real "$@"`

async function startFactory(fixture: SshFixture, work: Orders['work'], lease: Lease) {
  const access = await fixture.accessOf(lease.id)
  const orders: Orders = { work, ...fixture.orders, spec: { ...fixture.spec, access }, lease }
  const file = join(fixture.directory, 'orders')
  await writeFile(file, JSON.stringify(orders))
  const program = new URL('./ssh-orchestrator.ts', import.meta.url).pathname
  return spawn(process.execPath, [program, file], { stdio: ['ignore', 'ignore', 'inherit'] })
}

async function prepare(fixture: SshFixture, stop: number, die: boolean): Promise<string> {
  const run = `/etc/points/${randomBytes(4).toString('hex')}`
  await fixture.hosts[0]!.run(`
    mkdir -p ${run}
    : >${run}/calls
    echo ${stop} >${run}/stop
    ${die ? `: >${run}/die` : ''}
    basename ${run} >/etc/points/run`)
  return run
}

/** How many calls a whole piece of work makes. */
async function pointsOf(fixture: SshFixture, work: Orders['work'], lease: Lease): Promise<number> {
  const run = await prepare(fixture, 0, false)
  const factory = await startFactory(fixture, work, lease)
  expect(await once(factory, 'exit')).toEqual([0, null])
  return Number(await fixture.hosts[0]!.run(`wc -l <${run}/calls`))
}

/** Kills the factory while the host stands at a point of its work, then lets the host go on, or die there too. */
async function killAt(fixture: SshFixture, work: Orders['work'], lease: Lease, stop: number, die: boolean) {
  const [host] = fixture.hosts
  const run = await prepare(fixture, stop, die)
  const factory = await startFactory(fixture, work, lease)
  const ended = once(factory, 'exit')
  const reached = async () => (await host!.run(`ls ${run}`)).includes('reached')
  await eventually(`point ${stop} of ${work}`, async () => factory.exitCode !== null || (await reached()))
  factory.kill('SIGKILL')
  await ended
  await host!.run(`: >${run}/go`)
}

async function expectNothing(fixture: SshFixture, what: string): Promise<void> {
  const [host] = fixture.hosts
  const left = async () =>
    await host!.run(`
      ls -A -I lock /var/lib/image-factory
      ls -A -I authorized_keys /root/.ssh
      grep lease /root/.ssh/authorized_keys || :
      pgrep -f '[k]eeper|[u]nshare' || :`)
  await eventually(`nothing is left after ${what}`, async () => (await left()) === '').catch(
    async (error) => {
      throw new Error(`${String(error)}: ${await left()}`, { cause: error })
    },
  )
}

for (const work of ['acquire', 'release'] as const) {
  test(`a factory that is killed anywhere in ${work} leaves nothing that is not found, used again, or removed`, async () => {
    await using fixture = await createSshFixture()
    for (const tool of tools) await fixture.hosts[0]!.lie(tool, stopHere)
    await prepare(fixture, 0, false)
    const cloud = await fixture.open()
    const take = async (lease: Lease) => {
      const access = await fixture.accessOf(lease.id)
      return await cloud.builders!.acquire({ ...fixture.spec, access }, lease, testContext())
    }
    const first = newLease(fixture.owner, 'x86_64')
    if (work === 'release') await take(first)
    const points = await pointsOf(fixture, work, first)
    expect(points).toBeGreaterThan(10)
    await cloud.builders!.release(first.id, testContext())
    await expectNothing(fixture, 'the first')

    for (let stop = 1; stop <= points; stop += 1) {
      const lease = newLease(fixture.owner, 'x86_64')
      if (work === 'release') {
        await prepare(fixture, 0, false)
        await take(lease)
      }
      await killAt(fixture, work, lease, stop, stop % 2 === 0)
      await prepare(fixture, 0, false)
      const found = await gather(cloud.builders!.find(fixture.owner, testContext()))
      expect(found.length, `point ${stop}`).toBeLessThanOrEqual(1)
      for (const { leaseId } of found) expect(leaseId).toBe(lease.id)
      if (work === 'acquire' && stop % 3 !== 0) {
        const ref = await take(lease)
        const limits = { readyLimitMs: 3_000, reconnectLimitMs: 1_000 }
        await using builder = await openBuilder(ref, await fixture.accessOf(lease.id), testContext(), limits)
        await builder.exec(['true'])
      }
      await cloud.builders!.release(lease.id, testContext())
      await expectNothing(fixture, `point ${stop} of ${work}`)
      expect(await gather(cloud.builders!.find(fixture.owner, testContext()))).toEqual([])
    }
  }, 600_000)
}
