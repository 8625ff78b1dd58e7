import type { ArchitectureName } from '#arch/index.ts'
import { startLabMachine } from './machine.ts'

/** A machine of the lab that stands there already, as far as the factory knows. */
export interface StandingHost extends AsyncDisposable {
  readonly arch: ArchitectureName
  /** As an entry of `clouds.<name>.hosts.<architecture>`. */
  readonly entry: { address: string; port: number; hostKey: string; identityFile: string }
  /** Runs a command there as root and gives what it printed. */
  run(script: string): Promise<string>
}

const directory = '/var/lib/image-factory'
const diskBytes = 8 * 1024 ** 3

/** Starts one whose space lies on a disk of its own, as with most machines that stand somewhere. */
export async function startStandingHost(arch: ArchitectureName): Promise<StandingHost> {
  await using resources = new AsyncDisposableStack()
  const machine = resources.use(await startLabMachine(arch, { owner: 'standing', dataBytes: diskBytes }))
  const { ref, access, builder } = machine
  const run = async (script: string) =>
    (await builder.exec(['bash', '-euo', 'pipefail', '-c', script], { limitMs: 120_000 })).stdout
  await run(`
disk=$(lsblk -dpno NAME,SERIAL | sed -n 's/ *factory-data$//p')
mkfs.ext4 -q -m 0 -E lazy_itable_init=1,lazy_journal_init=1 "$disk"
mkdir -p ${directory}
mount -o noatime "$disk" ${directory}`)
  const held = resources.move()
  return {
    arch,
    entry: {
      address: ref.address.host,
      port: ref.address.port,
      hostKey: ref.hostPublicKey,
      identityFile: access.privateKeyFile,
    },
    run,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}
