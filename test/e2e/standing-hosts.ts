import { expect } from 'vitest'
import { type StandingHost, startStandingHost } from '#test/lab/standing-host.ts'
import type { LabFile } from './factory.ts'

export const standingArchitectures = ['ppc64le', 's390x'] as const

/** Machines of the lab that stand there already, as the machines of a data centre do. */
export interface StandingHosts extends AsyncDisposable {
  /** Builds on them instead of on rented machines. */
  configure(file: LabFile): void
  /** They are as they were before anybody built there. */
  expectEmpty(): Promise<void>
}

export async function openStandingHosts(): Promise<StandingHosts> {
  await using started = new AsyncDisposableStack()
  const starting = await Promise.allSettled(standingArchitectures.map((arch) => startStandingHost(arch)))
  const hosts = starting.flatMap((one) => (one.status === 'fulfilled' ? [started.use(one.value)] : []))
  for (const one of starting) if (one.status === 'rejected') throw one.reason
  const before = new Map(await Promise.all(hosts.map(async (host) => [host, await tracesOn(host)] as const)))
  const held = started.move()
  return {
    configure(file) {
      const entries = hosts.map(({ arch, entry }) => [arch, [entry]] as const)
      file.clouds['hosts'] = { kind: 'ssh', hosts: Object.fromEntries(entries) }
      for (const { arch } of hosts) file.builders[arch] = ['hosts']
    },
    async expectEmpty() {
      for (const host of hosts) expect(await tracesOn(host), host.arch).toEqual(before.get(host))
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

/** What a build could leave: containers, images, files, mounts, keys, processes. */
async function tracesOn(host: StandingHost): Promise<string[]> {
  const said = await host.run(`
podman ps --all --quiet
podman images --all --quiet
podman volume ls --quiet
find /var/lib/image-factory /var/lib/factory /var/lib/containers/storage/overlay /var/tmp /tmp -mindepth 2 -type f 2>/dev/null || true
sed -n 's/^[^ ]* \\([^ ]*\\) .*/mount \\1/p' /proc/mounts
sed 's/^/key /' /root/.ssh/authorized_keys
ps -eo args= | grep -E 'podman|conmon|unshare|factory-' | grep -v grep || true`)
  return said.split('\n').filter((line) => line !== '')
}
