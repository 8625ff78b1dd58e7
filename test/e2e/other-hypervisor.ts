import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createTestPool, virsh } from '#test/clouds/libvirt-pool.ts'
import { startSshServer } from '#test/servers/sshd.ts'
import type { LabFile } from './factory.ts'

/** A second hypervisor, reached over SSH: this machine's own libvirt again, with a pool of its own. */
export interface OtherHypervisor extends AsyncDisposable {
  /** Publishes images of all architectures there, too; they are not booted a second time. */
  configure(file: LabFile): void
  /** Names of the volumes that lie there. */
  volumes(): Promise<string[]>
  /** The file of a volume. */
  path(volume: string): string
}

export async function openOtherHypervisor(): Promise<OtherHypervisor> {
  await using started = new AsyncDisposableStack()
  const pool = started.use(await createTestPool())
  const server = started.use(await startSshServer({ settings: ['AllowTcpForwarding local'] }))
  const { port } = server.ref.address
  const knownHosts = join(server.directory, 'known_hosts')
  await writeFile(knownHosts, `[127.0.0.1]:${port} ${server.ref.hostPublicKey}\n`)
  const keys = new URLSearchParams({ keyfile: server.access.privateKeyFile, known_hosts: knownHosts })
  started.defer(async () => {
    for (const volume of await pool.files()) await virsh('vol-delete', volume, '--pool', pool.name)
  })
  const held = started.move()
  return {
    configure(file) {
      const uri = `qemu+ssh://root@127.0.0.1:${port}/system?${keys}`
      file.clouds['elsewhere'] = { kind: 'libvirt', uri, pool: pool.name }
      file.publish.push({ to: 'elsewhere', arch: ['ppc64le'], format: 'raw', verify: false })
      file.publish.push({ to: 'elsewhere', arch: ['s390x'], format: 'qcow2', verify: false })
    },
    volumes: () => pool.files(),
    path: (volume) => join(pool.path, volume),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}
