import { loadConfiguration } from '#src/config/load.ts'
import { type Reaped, reap } from '#src/release/reap.ts'
import { table } from '#src/ui/table.ts'
import { commandContext, openClouds } from './clouds.ts'

const confirmMs = 5_000
const limitMs = 30 * 60_000

/**
 * Removes what bears our mark and whose lease is over, from every configured cloud; needs no journal. Exit code 1 when a
 * cloud could not be asked or something could not be removed.
 */
export async function reapCommand(options: {
  config: string | undefined
  dryRun: boolean
  json: boolean
}): Promise<number> {
  // What is lost beside the configuration must not keep anybody from looking at the clouds.
  const configuration = await loadConfiguration(options.config, process.cwd(), process.env, {
    checkFiles: false,
  })
  const clouds = await openClouds(configuration)
  const { owner } = configuration
  const ctx = commandContext(AbortSignal.timeout(limitMs))
  const reaped = await reap(clouds, { owner, dryRun: options.dryRun, confirmMs }, ctx)
  const rows = reaped.map(listed)
  if (options.json) process.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`)
  else if (rows.length === 0) process.stderr.write(`Nothing of ${owner} is rented anywhere.\n`)
  else {
    const cells = rows.map(({ cloud, region, kind, id, action, why }) => [
      cloud,
      region,
      kind,
      id,
      action,
      why,
    ])
    process.stdout.write(table(['CLOUD', 'REGION', 'KIND', 'NAME', '', ''], cells))
  }
  return reaped.some(({ action }) => action === 'failed') ? 1 : 0
}

function listed({ cloud, resource, action, why }: Reaped) {
  const { kind = 'cloud', id = '', region = '', leaseId, release, arch, expires } = resource ?? {}
  return { cloud, region, kind, id, leaseId, release, arch, expires, action, why }
}
