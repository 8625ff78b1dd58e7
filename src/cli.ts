import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { type ArchitectureName, architectureNames, architectures } from '#arch/index.ts'
import { errorText } from '#src/commands/error-text.ts'
import { rememberCall } from '#src/commands/spelling.ts'
import { asFactoryError } from '#src/errors.ts'

/** Runs one command line (without `node factory`) and returns the exit code; prints results on stdout, errors on stderr. */
export async function main(argv: readonly string[]): Promise<number> {
  // A terminal that was closed takes no text any more; that must not end a release that is giving its machines back.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  const program = commandLine()
  try {
    await program.parseAsync(argv, { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    const failure = asFactoryError(error)
    process.stderr.write(errorText(failure))
    if (failure.class === 'interrupted') return 130
    return failure.class === 'user' ? 2 : 1
  }
}

let exitCode = 0

function commandLine(): Command {
  const program = new Command('factory')
    .description('One Containerfile in, bootable images for four architectures out.')
    .version('0.1.0')
    .option('-c, --config <file>', 'the configuration', undefined)
    .showHelpAfterError('(factory --help lists the commands)')
    .exitOverride()
  const config = () => program.opts<{ config?: string }>().config
  program.hook('preAction', () =>
    rememberCall({
      program: process.argv[1],
      environment: process.env,
      config: config(),
      commands: program.commands.map((command) => command.name()),
    }),
  )

  program
    .command('init')
    .description('write a commented starter factory.yaml here')
    .option('--force', 'overwrite an existing file')
    .action(async (options: { force?: boolean }) => {
      const { initCommand } = await import('#src/commands/init.ts')
      await initCommand({ cwd: process.cwd(), file: config(), force: options.force ?? false })
    })

  program
    .command('schema')
    .description('print the JSON Schema of factory.yaml for editors')
    .action(async () => {
      const { schemaCommand } = await import('#src/commands/schema.ts')
      schemaCommand()
    })

  program
    .command('doctor')
    .description('look at everything a release needs: inputs, this machine, clouds; change nothing')
    .option('--policy', 'print the complete minimal policy for the clouds instead')
    .option('--json', 'machine-readable')
    .action(async (options: { json?: boolean; policy?: boolean }) => {
      const { doctorCommand, policyCommand } = await import('#src/commands/doctor.ts')
      if (options.policy) exitCode = await policyCommand({ config: config() })
      else exitCode = await doctorCommand({ config: config(), json: options.json ?? false })
    })

  program
    .command('plan')
    .description('show what a release would build, why, and with which machines')
    .addOption(architectureOption())
    .addOption(destinationOption())
    .option('--force', 'plan as if something had changed')
    .option('--json', 'machine-readable')
    .action(async (options: ReleaseOptions & { json?: boolean }) => {
      const { planCommand } = await import('#src/commands/plan.ts')
      exitCode = await planCommand({ config: config(), ...options })
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
    .option('--keep-builders', 'leave the builder of a failed build running, for factory ssh')
    .addOption(new Option('--output <kind>', 'how progress is shown').choices(['tree', 'lines', 'json']))
    .action(
      async (
        options: ReleaseOptions & {
          keepBuilders?: boolean
          takeOver?: boolean
          output?: 'tree' | 'lines' | 'json'
        },
      ) => {
        const { releaseCommand } = await import('#src/commands/release.ts')
        exitCode = await releaseCommand({ config: config(), ...options })
      },
    )

  program
    .command('status')
    .description('show the newest release step by step')
    .argument('[release]', 'another release')
    .option('--json', 'machine-readable')
    .action(async (release: string | undefined, options: { json?: boolean }) => {
      const { statusCommand } = await import('#src/commands/status.ts')
      exitCode = await statusCommand({ config: config(), release, json: options.json ?? false })
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
        exitCode = await logsCommand({ config: config(), arch, ...options })
      },
    )

  program
    .command('images')
    .description('list the published images; or print those to use, for Ansible or as CoreOS stream metadata')
    .addOption(new Option('--release <release>', 'only of this release').conflicts('channel'))
    .addOption(
      new Option('--channel <channel>', 'only of the release that this channel points to').choices(channels),
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
        channel?: (typeof channels)[number]
        format?: 'table' | 'json' | 'ansible' | 'stream'
        variable?: string
        json?: boolean
      }) => {
        const { imagesCommand } = await import('#src/commands/images.ts')
        exitCode = await imagesCommand({ config: config(), ...options })
      },
    )

  program
    .command('promote')
    .description('use a release: the channel promoted points to it, and the old one is kept as previous')
    .argument('<release>', 'which')
    .option('--force', 'although it is incomplete, not verified or ignored; needs --why')
    .option('--why <reason>', 'for whoever looks at it later')
    .action(async (release: string, options: { force?: boolean; why?: string }) => {
      const { promoteCommand } = await import('#src/commands/choose.ts')
      exitCode = await promoteCommand(release, { config: config(), ...options })
    })

  program
    .command('ignore')
    .description('do not use a release')
    .argument('<release>', 'which')
    .requiredOption('--why <reason>', 'for whoever looks at it later')
    .action(async (release: string, options: { why: string }) => {
      const { ignoreCommand } = await import('#src/commands/choose.ts')
      exitCode = await ignoreCommand(release, { config: config(), ...options })
    })

  program
    .command('rollback')
    .description('promote again what was promoted before')
    .option('--why <reason>', 'for whoever looks at it later')
    .action(async (options: { why?: string }) => {
      const { rollbackCommand } = await import('#src/commands/choose.ts')
      exitCode = await rollbackCommand({ config: config(), ...options })
    })

  program
    .command('pin')
    .description('keep the images of a release whatever their age')
    .argument('<release>', 'which')
    .option('--undo', 'let factory gc have it again')
    .option('--why <reason>', 'for whoever looks at it later')
    .action(async (release: string, options: { undo?: boolean; why?: string }) => {
      const { pinCommand } = await import('#src/commands/choose.ts')
      const { undo = false, ...others } = options
      exitCode = await pinCommand(release, { config: config(), pinned: !undo, ...others })
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
      exitCode = await gcCommand({ config: config(), remove, limit, json })
    })

  program
    .command('ssh')
    .description('log in to a builder that --keep-builders left running')
    .argument('<arch>', 'its architecture', readArchitecture)
    .argument('[command...]', 'a command instead of a shell')
    .option('--give-back', 'give the machine back instead')
    .action(async (arch: ArchitectureName, command: string[], options: { giveBack?: boolean }) => {
      const { sshCommand } = await import('#src/commands/ssh.ts')
      exitCode = await sshCommand({ config: config(), arch, command, giveBack: options.giveBack ?? false })
    })

  program
    .command('reap')
    .description('remove machines, disks and half-made images whose lease is over, in every cloud')
    .option('--dry-run', 'only say what would be removed')
    .option('--json', 'machine-readable')
    .action(async (options: { dryRun?: boolean; json?: boolean }) => {
      const { reapCommand } = await import('#src/commands/reap.ts')
      const { dryRun = false, json = false } = options
      exitCode = await reapCommand({ config: config(), dryRun, json })
    })

  program
    .command('adopt')
    .description('take what the clouds hold of ours into the journal, when the state directory was lost')
    .option('--json', 'machine-readable')
    .action(async (options: { json?: boolean }) => {
      const { adoptCommand } = await import('#src/commands/adopt.ts')
      exitCode = await adoptCommand({ config: config(), json: options.json ?? false })
    })

  return program
}

const channels = ['candidate', 'promoted', 'previous'] as const

export interface ReleaseOptions {
  arch?: ArchitectureName[]
  to?: string[]
  force?: boolean
}

function architectureOption(): Option {
  return new Option('--arch <arch>', 'only this architecture; may be given several times').argParser(
    (value: string, previous: ArchitectureName[] | undefined) => [
      ...(previous ?? []),
      readArchitecture(value),
    ],
  )
}

/** Not variadic: that would swallow every word after it. */
function destinationOption(): Option {
  return new Option('--to <cloud>', 'only this destination; may be given several times').argParser(
    (value: string, previous: string[] | undefined) => [...(previous ?? []), value],
  )
}

function readCount(value: string): number {
  if (/^[1-9]\d{0,5}$/.test(value)) return Number(value)
  throw new InvalidArgumentError('Write a whole number from 1 on.')
}

function readArchitecture(value: string): ArchitectureName {
  const known = architectureNames.find((name) => name === value)
  if (known) return known
  const meant = architectureNames.find(
    (name) => architectures[name].oci === value || architectures[name].debian === value,
  )
  const suggestion = meant === undefined ? '' : ` Did you mean ${meant}?`
  throw new InvalidArgumentError(`Known architectures: ${architectureNames.join(', ')}.${suggestion}`)
}
