import { type Command, Option } from 'commander'
import type { CommandLine } from './command-line.ts'
import { readCount } from './options.ts'

/** What is left over, and what was lost. */
export function cleaningCommands(program: Command, line: CommandLine): void {
  program
    .command('reap')
    .description('remove machines, disks and half-made images whose lease is over, in every cloud')
    .option('--dry-run', 'only say what would be removed')
    .option('--json', 'machine-readable')
    .action(async (options: { dryRun?: boolean; json?: boolean }) => {
      const { reapCommand } = await import('#src/commands/reap.ts')
      const { dryRun = false, json = false } = options
      line.exitCode = await reapCommand({ config: line.config(), dryRun, json })
    })

  program
    .command('gc')
    .description(
      'say which images and artifacts nobody keeps any more, everywhere; remove them with --delete',
    )
    .option('--delete', 'remove them')
    .addOption(new Option('--limit <count>', 'at most so many').default(50).argParser(readCount))
    .option('--json', 'machine-readable')
    .action(async (options: { delete?: boolean; limit: number; json?: boolean }) => {
      const { gcCommand } = await import('#src/commands/gc.ts')
      const { delete: remove = false, limit, json = false } = options
      line.exitCode = await gcCommand({ config: line.config(), remove, limit, json })
    })

  program
    .command('adopt')
    .description('take what the clouds hold of ours into the journal, when the state directory was lost')
    .option('--json', 'machine-readable')
    .action(async (options: { json?: boolean }) => {
      const { adoptCommand } = await import('#src/commands/adopt.ts')
      line.exitCode = await adoptCommand({ config: line.config(), json: options.json ?? false })
    })
}
