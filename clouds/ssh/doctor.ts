import { liftQuarantine, readQuarantines } from '#clouds/quarantine.ts'
import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import { formatBytes } from '#src/units.ts'
import type { LeaseOnHost, Look } from './answers.ts'
import { checkHealth, withQuarantine } from './health.ts'
import type { Host } from './hosts.ts'
import type { SshSettings } from './settings.ts'

const littleBytes = 20 * 1024 ** 3

/** Looks at every host afresh, also at those in quarantine; one that is well leaves it, one that is not goes into it. */
export async function* doctor(settings: SshSettings, ctx: Context): AsyncIterable<Finding> {
  const before = await readQuarantines(settings.stateDirectory)
  const strangers = before.filter(({ place }) => !settings.hosts.some(({ name }) => name === place))
  // Nobody tries again what the configuration does not name any more.
  for (const { place } of strangers) await liftQuarantine(settings.stateDirectory, place)
  const looked = await Promise.all(settings.hosts.map((host) => lookAtHost(settings, host, ctx)))
  const well = new Set(looked.flatMap(({ host, look }) => (look ? [host.arch] : [])))
  for (const { host, look, failure } of looked) {
    const subject = `host ${host.name} (${host.arch})`
    const known = before.find(({ place }) => place === host.name)
    if (look) {
      const was = known ? `; it was left out since ${known.since} (${known.reason}) and is used again` : ''
      yield { ...roomOf(settings, look), subject, message: `${describe(host, look)}${was}` }
    } else {
      const { message, hint } = asFactoryError(failure)
      const again = known ? `; left out since ${known.since}` : ''
      // Another host of the architecture does the work meanwhile.
      const severity = well.has(host.arch) ? 'warning' : 'error'
      yield { severity, subject, message: `${message}${again}`, ...(hint === undefined ? {} : { hint }) }
    }
  }
}

async function lookAtHost(
  settings: SshSettings,
  host: Host,
  ctx: Context,
): Promise<{ host: Host; look?: Look; failure?: unknown }> {
  try {
    const check = () => checkHealth(settings, host, ctx)
    return { host, look: await withQuarantine(settings, host, ctx, check) }
  } catch (failure) {
    ctx.signal.throwIfAborted()
    return { host, failure }
  }
}

function roomOf(settings: SshSettings, look: Look): Pick<Finding, 'severity' | 'hint'> {
  if (look.freeBytes >= littleBytes) return { severity: 'ok' }
  const { directory } = settings.configuration
  return { severity: 'warning', hint: `Builds need room: make some, or mount a disk at ${directory}.` }
}

function describe(host: Host, { freeBytes, leases }: Look): string {
  const taken = leases.length === 0 ? '' : `: ${leases.map(shown).join(', ')}`
  return `answers with its key and has what builds need; ${formatBytes(freeBytes)} free; ${leases.length} of ${host.slots} slots taken${taken}`
}

function shown({ id, owner, expires, state }: LeaseOnHost): string {
  return `${id} of ${owner} until ${expires}${state === 'running' ? '' : ` (${state})`}`
}
