import type { Command } from 'commander'
import type { CommandLine } from './command-line.ts'

/** What runs by itself. */
export function servingCommands(program: Command, line: CommandLine): void {
  program
    .command('serve')
    .description('release by the rules of `rebuild:`, and show everything on a page')
    .action(async () => {
      const { serveCommand } = await import('#src/commands/serve.ts')
      await serveCommand({ config: line.config() })
    })
}
