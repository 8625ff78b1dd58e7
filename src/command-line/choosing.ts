import type { Command } from 'commander'
import type { CommandLine } from './command-line.ts'

/** Which images are to be used. */
export function choosingCommands(program: Command, line: CommandLine): void {
  program
    .command('promote')
    .description('use a release: the channel promoted points to it, and the old one is kept as previous')
    .argument('<release>', 'which')
    .option('--force', 'although it is incomplete, not verified or ignored; needs --why')
    .option('--why <reason>', 'for whoever looks at it later')
    .action(async (release: string, options: { force?: boolean; why?: string }) => {
      const { promoteCommand } = await import('#src/commands/choose.ts')
      line.exitCode = await promoteCommand(release, { config: line.config(), ...options })
    })

  program
    .command('ignore')
    .description('do not use a release')
    .argument('<release>', 'which')
    .requiredOption('--why <reason>', 'for whoever looks at it later')
    .action(async (release: string, options: { why: string }) => {
      const { ignoreCommand } = await import('#src/commands/choose.ts')
      line.exitCode = await ignoreCommand(release, { config: line.config(), ...options })
    })

  program
    .command('rollback')
    .description('promote again what was promoted before')
    .option('--why <reason>', 'for whoever looks at it later')
    .action(async (options: { why?: string }) => {
      const { rollbackCommand } = await import('#src/commands/choose.ts')
      line.exitCode = await rollbackCommand({ config: line.config(), ...options })
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
      line.exitCode = await pinCommand(release, { config: line.config(), pinned: !undo, ...others })
    })
}
