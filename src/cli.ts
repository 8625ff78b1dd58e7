import { Command, CommanderError } from 'commander'
import type { CommandLine } from '#src/command-line/command-line.ts'
import { choosingCommands } from '#src/command-line/choosing.ts'
import { cleaningCommands } from '#src/command-line/cleaning.ts'
import { lookingCommands } from '#src/command-line/looking.ts'
import { preparingCommands } from '#src/command-line/preparing.ts'
import { releasingCommands } from '#src/command-line/releasing.ts'
import { servingCommands } from '#src/command-line/serving.ts'
import { tellFailure } from '#src/commands/error-text.ts'
import { programName, rememberCall } from '#src/commands/spelling.ts'

/** Runs one command line (without `node factory`) and returns the exit code; prints results on stdout, errors on stderr. */
export async function main(argv: readonly string[]): Promise<number> {
  // A terminal that was closed takes no text any more; that must not end a release that is giving its machines back.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  const line: CommandLine = { config: () => program.opts<{ config?: string }>().config, exitCode: 0 }
  const program = commandLine(line)
  try {
    await program.parseAsync(argv, { from: 'user' })
    return line.exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    return tellFailure(error)
  }
}

function commandLine(line: CommandLine): Command {
  const name = programName({ program: process.argv[1], environment: process.env })
  const program = new Command('factory')
    .description('One Containerfile in, bootable images for four architectures out.')
    .version('0.1.0')
    .option('-c, --config <file>', 'the configuration', undefined)
    .showHelpAfterError(`(${name} --help lists the commands, ${name} COMMAND --help says what one takes)`)
    .exitOverride()
  program.hook('preAction', () =>
    rememberCall({
      program: process.argv[1],
      environment: process.env,
      config: line.config(),
      commands: program.commands.map((command) => command.name()),
    }),
  )

  preparingCommands(program, line)
  releasingCommands(program, line)
  lookingCommands(program, line)
  choosingCommands(program, line)
  servingCommands(program, line)
  cleaningCommands(program, line)
  return program
}
