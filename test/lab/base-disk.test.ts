import { readdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { beforeAll, test } from 'vitest'
import { openInQemu } from '#test/clouds/open-files.ts'
import { leaseUntilFile } from '#src/builder/seed.ts'
import type { Builder } from '#src/builder/types.ts'
import { hasCloudInit } from './base-disk-packages.ts'
import { ensureBuilders } from './lab.ts'
import { startLabMachine } from './machine.ts'
import { labUri, virsh } from './libvirt.ts'
import { labPools } from './pool.ts'

beforeAll(async () => {
  await ensureBuilders(console.log)
})

// The end-to-end tests rent all four; the end of a lease is proven on a PCI and on a channel-I/O machine.
test.concurrent.for(['x86_64', 's390x'] as const)(
  'the base disk for %s boots into a running system that runs containers, and is gone with its disks when its lease ended',
  async (arch, { expect }) => {
    const started = Date.now()
    await using machine = await startLabMachine(arch, { owner: 'base-disk-test', dataBytes: 2 ** 30 })
    const answeredMs = Date.now() - started
    const { builder } = machine
    const { machine: name } = machine.ref

    expect((await builder.exec(['uname', '-m'])).stdout.trim()).toBe(arch)
    expect(await whenStarted(builder)).toBe('running')
    const startedMs = Date.now() - started
    if (hasCloudInit(arch))
      expect((await builder.exec(['cloud-init', 'schema', '--system'])).stdout).toContain('Valid')
    expect((await builder.exec(['lsblk', '-no', 'SERIAL'])).stdout).toContain('factory-data')
    expect(await buildAndRun(builder)).toContain('it was built')
    console.log(
      `${arch}: first answer ${answeredMs} ms, started ${startedMs} ms, all ${Date.now() - started} ms`,
    )

    const remaining = ['-console.log', '.json']
    expect(await volumesOf(name)).toEqual(remaining)
    expect((await openInQemu(name)).length).toBeGreaterThan(remaining.length)
    await endLease(builder)
    await builder[Symbol.asyncDispose]()
    await expect.poll(() => isDefined(name), { timeout: 60_000, interval: 500 }).toBe(false)
    expect(await openInQemu(name), 'QEMU held the last of them').toEqual([])
    expect(await volumesOf(name)).toEqual(remaining)
  },
)

async function whenStarted(builder: Builder): Promise<string> {
  for (;;) {
    const { stdout } = await builder.exec(['systemctl', 'is-system-running'], { accept: 'any' })
    if (stdout.trim() !== 'starting') return stdout.trim()
    await sleep(500)
  }
}

/** The smallest container there is: busybox of the machine itself, imported, built upon and run. */
async function buildAndRun(builder: Builder): Promise<string> {
  const script = `
mkdir -p /tmp/rootfs/bin && cp /usr/bin/busybox /tmp/rootfs/bin/sh
tar -C /tmp/rootfs -c . | podman import -q - localhost/tiny
printf 'FROM localhost/tiny\\nRUN echo built > /made\\n' | podman build -q --network=host -t localhost/built -
podman run --rm --privileged --network=host localhost/built sh -c 'read line < /made; echo "it was $line"'
`
  const { stdout } = await builder.exec(['bash', '-eu', '-c', script], { limitMs: 180_000 })
  return stdout
}

/** Moves the end of the lease to this second of the boot clock, which is what the dead-man timer of the seed watches. */
async function endLease(builder: Builder): Promise<void> {
  const script = `mkdir -p ${dirname(leaseUntilFile)}; read -r up _ < /proc/uptime; echo "\${up%.*}" > ${leaseUntilFile}`
  await builder.exec(['bash', '-eu', '-c', script])
}

/** What is in the pool's directory and in the pool, which must be the same, without the name of the machine. */
async function volumesOf(name: string): Promise<string[]> {
  const { stdout } = await virsh(['pool-dumpxml', labPools.builders])
  const path = /<path>([^<]+)<\/path>/.exec(stdout)![1]!
  const files = await readdir(path)
  await virsh(['pool-refresh', labPools.builders])
  const listed = (await virsh(['vol-list', labPools.builders])).stdout
  const ours = files.filter((file) => file.startsWith(name)).toSorted()
  const unlisted = ours.filter((file) => !listed.includes(file))
  if (unlisted.length > 0) throw new Error(`the pool does not know ${unlisted.join(', ')}`)
  return ours.map((file) => file.slice(name.length))
}

async function isDefined(name: string): Promise<boolean> {
  const { stdout } = await execa('virsh', ['-q', '-c', labUri, 'list', '--all', '--name'], {
    timeout: 20_000,
  })
  return stdout.split('\n').includes(name)
}
