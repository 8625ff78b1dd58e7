import { type Command, Option } from 'commander'
import type { CommandLine } from './command-line.ts'
import { type ReleaseOptions, architectureOption, destinationOption } from './options.ts'

/** The button, and what it would do. */
export function releasingCommands(program: Command, line: CommandLine): void {
  program
    .command('plan')
    .description('show what a release would build, why, and with which machines')
    .addOption(architectureOption())
    .addOption(destinationOption())
    .option('--force', 'plan as if something had changed')
    .option('--json', 'machine-readable')
    .action(async (options: ReleaseOptions & { json?: boolean }) => {
      const { planCommand } = await import('#src/commands/plan.ts')
      line.exitCode = await planCommand({ config: line.config(), ...options })
    })

  program
    .command('release')
    .description('build, collect, publish and verify what has changed')
    .addOption(architectureOption())
    .addOption(destinationOption())
    .option(
      '--force',
      'build although nothing changed; an unfinished release of the same inputs is resumed first',
    )
    .option(
      '--take-over',
      'go on in the place of another factory that is stopped (it can change nothing any more)',
    )
    .option('--remote <url>', 'let the factory that serves there make it; its token stands in FACTORY_TOKEN')
    .option('--keep-builders', 'leave the builder of a failed build running, for factory ssh')
    .addOption(new Option('--output <kind>', 'how progress is shown').choices(['tree', 'lines', 'json']))
    .action(
      async (
        options: ReleaseOptions & {
          keepBuilders?: boolean
          takeOver?: boolean
          remote?: string
          output?: 'tree' | 'lines' | 'json'
        },
      ) => {
        const { releaseCommand } = await import('#src/commands/release.ts')
        line.exitCode = await releaseCommand({ config: line.config(), ...options })
      },
    )
}
