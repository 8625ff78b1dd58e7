import { liftQuarantine, quarantine, readQuarantines } from '#clouds/quarantine.ts'
import type { Context } from '#src/context.ts'
import { FactoryError, asFactoryError } from '#src/errors.ts'
import { formatDuration } from '#src/units.ts'
import type { Look } from './answers.ts'
import { onHost } from './host-shell.ts'
import type { Host } from './hosts.ts'
import { lookAt } from './programs.ts'
import type { SshSettings } from './settings.ts'

/** Certificates and tokens are refused by clocks that are further off. */
const clockLimitMs = 5 * 60_000

/** Failures that are the host's, so that it is better left out for a while. */
const ofTheHost = new Set(
  ['host-unreachable', 'host-key-mismatch', 'host-login-refused', 'host-unfit', 'slot-not-made'].concat([
    'host-answer-unreadable',
    'remote-command-failed',
    'connection-lost',
    'deadline-passed',
    'builder-ssh-too-old',
  ]),
)

/** Looks whether a host can build now. Throws what `onHost` throws, and `host-unfit` with all that is wrong. */
export async function checkHealth(settings: SshSettings, host: Host, ctx: Context): Promise<Look> {
  const look = await onHost(settings, host, ctx, (shell) => lookAt(settings, host, shell))
  const wrong: string[] = []
  if (look.arch !== host.arch) wrong.push(`it is ${look.arch} and not ${host.arch}`)
  if (look.missing.length > 0) wrong.push(`it has no ${look.missing.join(', ')}`)
  const offMs = Math.abs(look.clockMs - ctx.now())
  if (offMs > clockLimitMs) wrong.push(`its clock is ${formatDuration(offMs)} off`)
  if (wrong.length === 0) return look
  throw new FactoryError({
    code: 'host-unfit',
    message: `no build can run on the host ${host.name}: ${wrong.join('; ')}`,
    hint: `docs/clouds/ssh.md says what a host must have; or take it out of clouds.${settings.name}.hosts.${host.arch}.`,
    class: 'capacity',
  })
}

/** Does something with a host: a failure that is the host's puts it into quarantine, success takes it out. */
export async function withQuarantine<T>(
  settings: SshSettings,
  host: Host,
  ctx: Context,
  use: () => Promise<T>,
): Promise<T> {
  try {
    const result = await use()
    await noted(ctx, liftQuarantine(settings.stateDirectory, host.name))
    return result
  } catch (caught) {
    ctx.signal.throwIfAborted()
    const error = asFactoryError(caught)
    if (ofTheHost.has(error.code)) {
      const record = await noted(ctx, quarantine(settings.stateDirectory, host.name, error, ctx.now()))
      const told = record ? `${error.message}; left out until ${record.until}` : error.message
      ctx.emit({ message: told })
      ctx.log(told)
    }
    throw error
  }
}

/** What cannot be noted down changes nothing about what the host did. */
async function noted<T>(ctx: Context, note: Promise<T>): Promise<T | undefined> {
  return await note.catch((error: unknown) => {
    ctx.log(`what a host did could not be noted down: ${String(error)}`)
    return undefined
  })
}

/** The names of the hosts that are left out now. */
export async function leftOut(settings: SshSettings, ctx: Context): Promise<Set<string>> {
  const records = await readQuarantines(settings.stateDirectory)
  return new Set(records.filter(({ until }) => Date.parse(until) > ctx.now()).map(({ place }) => place))
}
