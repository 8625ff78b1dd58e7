import { loadConfiguration } from '#src/config/load.ts'
import { registryClient } from '#src/registry/client.ts'
import { table } from '#src/ui/table.ts'
import { commandContext, openOneCloud } from './clouds.ts'
import { inputFindings } from './doctor-inputs.ts'
import { findAll } from './findings.ts'
import { spelled } from './spelling.ts'

/**
 * Looks at everything that a release would stumble over: its inputs, this machine, every configured cloud. What fails
 * does not keep the rest from being looked at; exit code 1 when something would stop a release.
 */
export async function doctorCommand(options: { config: string | undefined; json: boolean }): Promise<number> {
  // Files that are missing are findings among the others, not the end of the looking.
  const configuration = await loadConfiguration(options.config, process.cwd(), process.env, {
    checkFiles: false,
  })
  const ctx = commandContext()
  const registry = registryClient({ authFile: configuration.image.authFile })
  const checkFiles = async () => void (await loadConfiguration(options.config, process.cwd()))
  const inputs = () => inputFindings(configuration, { registry, checkFiles }, ctx)
  const found = await findAll(configuration, inputs, ctx)
  if (options.json) process.stdout.write(`${JSON.stringify(found, undefined, 2)}\n`)
  else {
    const rows = found.map(({ cloud, severity, subject, message, hint }) => [
      cloud,
      severity,
      subject,
      hint === undefined || severity === 'ok' ? message : `${message} — ${spelled(hint)}`,
    ])
    process.stdout.write(table(['CLOUD', '', 'WHAT', ''], rows))
    for (const { cloud, paste } of found)
      if (paste !== undefined) process.stdout.write(`\n${cloud}:\n${paste}\n`)
  }
  return found.some(({ severity }) => severity === 'error') ? 1 : 0
}

/** Prints the rights that each cloud needs for this configuration; asks no cloud for anything. */
export async function policyCommand(options: { config: string | undefined }): Promise<number> {
  const configuration = await loadConfiguration(options.config, process.cwd(), process.env, {
    checkFiles: false,
  })
  for (const name of Object.keys(configuration.clouds)) {
    const policy = (await openOneCloud(configuration, name)).policy?.()
    if (policy === undefined) process.stderr.write(`${name}: needs no policy\n`)
    else process.stdout.write(`${policy}\n`)
  }
  return 0
}
