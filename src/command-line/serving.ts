import type { Command } from 'commander'
import type { CommandLine } from './command-line.ts'

/** What runs by itself. */
export function servingCommands(program: Command, line: CommandLine): void {
  program
    .command('serve')
    .description('release by the rules of `rebuild:`, and show everything on a page')
    .argument('[configurations...]', 'those of several images, instead of --config')
    .action(async (configurations: string[]) => {
      const { serveCommand } = await import('#src/commands/serve.ts')
      const config = line.config()
      await serveCommand({ configs: config === undefined ? configurations : [config, ...configurations] })
    })
}
