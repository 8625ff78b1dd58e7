import type { RunOptions } from './run.ts'
import { orchestrate } from './orchestrator.ts'

/*
 * A process that is one orchestrator after the other and may be killed as any of them. How each run ended stands in a line of
 * stdout; the process ends as the last one did.
 */
for (const options of JSON.parse(process.argv[2] ?? '') as RunOptions[]) {
  process.exitCode = await orchestrate(options)
  process.stdout.write(`${process.exitCode}\n`)
}
