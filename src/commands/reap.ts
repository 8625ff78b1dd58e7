import { loadConfiguration } from '#src/config/load.ts'
import { type Reaped, reap } from '#src/release/reap.ts'
import { table } from '#src/ui/table.ts'
import { commandContext, openClouds } from './clouds.ts'
import { couldNotLookInto, failuresText } from './failures.ts'

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
  if (options.json) process.stdout.write(`${JSON.stringify(reaped.map(listed), undefined, 2)}\n`)
  else tell(reaped, owner)
  return reaped.some(({ action }) => action === 'failed') ? 1 : 0
}

/** What was found on stdout; what failed is no thing that was found, and stands on stderr with what to do. */
function tell(reaped: readonly Reaped[], owner: string): void {
  const rows = reaped.filter(({ action }) => action !== 'failed').map(listed)
  const cells = rows.map(({ cloud, region, kind, id, action, why }) => [cloud, region, kind, id, action, why])
  if (cells.length > 0) process.stdout.write(table(['CLOUD', 'REGION', 'KIND', 'NAME', '', ''], cells))
  if (reaped.length === 0) process.stderr.write(`Nothing of ${owner} is rented anywhere.\n`)
  const failures = reaped.flatMap(({ cloud, resource, error }) => (error ? [{ cloud, resource, error }] : []))
  process.stderr.write(couldNotLookInto(failures.filter(({ resource }) => !resource)))
  const kept = failures.flatMap(({ cloud, resource, error }) =>
    resource ? [{ cloud: `${resource.kind} ${resource.id} in ${resource.region} of ${cloud}`, error }] : [],
  )
  if (kept.length > 0) process.stderr.write(`Could not remove:\n${failuresText(kept)}`)
}

function listed({ cloud, resource, action, why, error }: Reaped) {
  const { kind = 'cloud', id = '', region = '', leaseId, release, arch, expires } = resource ?? {}
  return { cloud, region, kind, id, leaseId, release, arch, expires, action, why, error }
}
