import type { Command } from 'commander'
import type { CommandLine } from './command-line.ts'

/** What comes before the first release: a configuration, and a look at everything that it names. */
export function preparingCommands(program: Command, line: CommandLine): void {
  program
    .command('init')
    .description('write a commented starter factory.yaml here')
    .option('--force', 'overwrite an existing file')
    .action(async (options: { force?: boolean }) => {
      const { initCommand } = await import('#src/commands/init.ts')
      await initCommand({ cwd: process.cwd(), file: line.config(), force: options.force ?? false })
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
      if (options.policy) line.exitCode = await policyCommand({ config: line.config() })
      else line.exitCode = await doctorCommand({ config: line.config(), json: options.json ?? false })
    })
}
