import type { Finding } from '#clouds/types.ts'
import { table } from '#src/ui/table.ts'
import { commandContext, openClouds } from './clouds.ts'
import { loadConfiguration } from '#src/config/load.ts'

/** Asks every configured cloud what a release would stumble over; exit code 1 when something would stop it. */
export async function doctorCommand(options: { config: string | undefined; json: boolean }): Promise<number> {
  const configuration = await loadConfiguration(options.config, process.cwd())
  const clouds = await openClouds(configuration)
  const found: ({ cloud: string } & Finding)[] = []
  for (const [name, cloud] of clouds) {
    for await (const finding of cloud.doctor(commandContext())) found.push({ cloud: name, ...finding })
  }
  if (options.json) process.stdout.write(`${JSON.stringify(found, undefined, 2)}\n`)
  else {
    const rows = found.map(({ cloud, severity, subject, message, hint }) => [
      cloud,
      severity,
      subject,
      hint === undefined || severity === 'ok' ? message : `${message} — ${hint}`,
    ])
    process.stdout.write(table(['CLOUD', '', 'WHAT', ''], rows))
  }
  return found.some(({ severity }) => severity === 'error') ? 1 : 0
}
