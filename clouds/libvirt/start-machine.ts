import { readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { ExecaError, execa } from 'execa'
import type { Context } from '#src/context.ts'
import { withTimeLimit } from '#src/time-limit.ts'
import { type DomainDefinition, domainXml } from './domain.ts'
import { virshFailure } from './failures.ts'
import type { Pool } from './pools.ts'
import { inTemporaryDirectory } from './temporary.ts'
import { type WatchPace, watchdogCommand } from './watchdog.ts'

const startLimitMs = 180_000
/** The exit code for a machine that runs although it has no watchdog, or something of it could not be unlinked. */
const notAlone = 3

/**
 * All values are arguments; the watchdog is a whole command. A start that fails leaves the volumes for the next try. Each unlinking first asks for the
 * machine by its UUID: when somebody has replaced the machine meanwhile, the volumes of these names are its successor's.
 */
const script = `
connection=$1 pool=$2 uuid=$3 definition=$4 watchdog=$6
exec >"$5" 2>&1
shift 6
virsh -q -c "$connection" create --file "$definition" || exit 1
sh -c "$watchdog" || code=${notAlone}
for volume; do
  virsh -q -c "$connection" domstate --domain "$uuid" >/dev/null &&
    virsh -q -c "$connection" vol-delete --pool "$pool" --vol "$volume" || code=${notAlone}
done
exit "\${code:-0}"
`

/**
 * Starts a transient machine, leaves a watchdog over it, and unlinks its disks and firmware state, which are volumes of the pool. QEMU keeps its
 * open files, and the kernel frees their space whenever QEMU ends, also with the hypervisor: nobody has to come and
 * clean up. All of it happens in one process in a session of its own that writes into a file, so neither a kill of the
 * factory nor a closed pipe comes between them. It is seen to its end also after Ctrl-C, or giving back could miss a
 * machine that just starts.
 */
export async function startMachine(
  pool: Pool,
  definition: DomainDefinition,
  pace: WatchPace,
  ctx: Context,
): Promise<void> {
  ctx.signal.throwIfAborted()
  await inTemporaryDirectory(async (directory) => {
    const file = join(directory, 'domain.xml')
    await writeFile(file, domainXml(definition), { mode: 0o600 })
    const said = join(directory, 'said')
    const { connection, uri } = pool.hypervisor
    const watchdog = watchdogCommand(pool.hypervisor, definition.uuid, pace, ctx.now())
    const values = [connection, pool.name, definition.uuid, file, said, watchdog]
    const argv = [...values, ...volumesThatEnd(definition)]
    try {
      const unstoppable = new AbortController().signal
      await withTimeLimit(`virsh create on ${uri}`, startLimitMs, unstoppable, () => run(argv))
    } catch (error) {
      if (!(error instanceof ExecaError)) throw error
      const text = await readFile(said, 'utf8')
      if (error.exitCode !== notAlone) throw virshFailure(pool.hypervisor, ['create'], error, text)
      ctx.log(
        `${definition.name} runs, but may stay, or leave volumes, when nobody gives it back: ${text.trim()}`,
      )
    }
  })
  ctx.signal.throwIfAborted()
}

/** The volumes that nobody needs once QEMU has opened them. */
export function volumesThatEnd({ disks, firmwareStatePath }: DomainDefinition): string[] {
  const paths = [...disks.map(({ path }) => path), firmwareStatePath]
  return paths.flatMap((path) => (path === undefined ? [] : [basename(path)]))
}

async function run(argv: readonly string[]): Promise<void> {
  await execa('sh', ['-c', script, 'start-machine', ...argv], {
    env: { LC_ALL: 'C' },
    detached: true,
    cleanup: false,
    stdio: 'ignore',
  })
}
