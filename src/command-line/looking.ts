import { type Command, Option } from 'commander'
import type { ArchitectureName } from '#arch/index.ts'
import type { CommandLine } from './command-line.ts'
import { type ChannelName, channelNames } from '#src/journal/channels.ts'
import { readArchitecture } from './options.ts'

/** What there is. */
export function lookingCommands(program: Command, line: CommandLine): void {
  program
    .command('status')
    .description('show the newest release step by step')
    .argument('[release]', 'another release')
    .option('--json', 'machine-readable')
    .action(async (release: string | undefined, options: { json?: boolean }) => {
      const { statusCommand } = await import('#src/commands/status.ts')
      line.exitCode = await statusCommand({ config: line.config(), release, json: options.json ?? false })
    })

  program
    .command('logs')
    .description("print a release's logs")
    .argument('[arch]', 'only this architecture', readArchitecture)
    .option('--release <release>', 'another release than the newest')
    .option('--step <step>', 'only this step')
    .addOption(
      new Option(
        '--raw',
        "the builders' own job logs, whole and with whatever secrets are in them",
      ).conflicts('step'),
    )
    .action(
      async (
        arch: ArchitectureName | undefined,
        options: { release?: string; step?: string; raw?: boolean },
      ) => {
        const { logsCommand } = await import('#src/commands/logs.ts')
        line.exitCode = await logsCommand({ config: line.config(), arch, ...options })
      },
    )

  program
    .command('images')
    .description('list the published images; or print those to use, for Ansible or as CoreOS stream metadata')
    .addOption(new Option('--release <release>', 'only of this release').conflicts('channel'))
    .addOption(
      new Option('--channel <channel>', 'only of the release that this channel points to').choices(
        channelNames,
      ),
    )
    .addOption(
      new Option('--format <format>', 'of the channel promoted unless another is named: ansible, stream')
        .choices(['table', 'json', 'ansible', 'stream'])
        .conflicts('json'),
    )
    .option('--variable <name>', 'what the Ansible variable is called')
    .option('--json', 'machine-readable')
    .action(
      async (options: {
        release?: string
        channel?: ChannelName
        format?: 'table' | 'json' | 'ansible' | 'stream'
        variable?: string
        json?: boolean
      }) => {
        const { imagesCommand } = await import('#src/commands/images.ts')
        line.exitCode = await imagesCommand({ config: line.config(), ...options })
      },
    )

  program
    .command('ssh')
    .description('log in to a builder that --keep-builders left running')
    .argument('<arch>', 'its architecture', readArchitecture)
    .argument('[command...]', 'a command instead of a shell')
    .option('--give-back', 'give the machine back instead')
    .action(async (arch: ArchitectureName, command: string[], options: { giveBack?: boolean }) => {
      const { sshCommand } = await import('#src/commands/ssh.ts')
      line.exitCode = await sshCommand({
        config: line.config(),
        arch,
        command,
        giveBack: options.giveBack ?? false,
      })
    })
}
