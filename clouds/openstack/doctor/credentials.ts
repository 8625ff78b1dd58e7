import { stat } from 'node:fs/promises'
import type { Finding } from '#clouds/types.ts'
import { formatDuration } from '#src/units.ts'
import type { Identity } from '../identity.ts'
import type { Token } from '../token.ts'

/** Beyond this the ends of leases mean something else to us than to the cloud; at five minutes tokens are over too soon. */
const skewMs = { warning: 30_000, error: 5 * 60_000 }

/** Whether files with secrets are readable by others. */
export async function* lookAtFiles({ files }: Identity): AsyncIterable<Finding> {
  for (const path of files) {
    const mode = (await stat(path).catch(() => undefined))?.mode ?? 0
    if ((mode & 0o077) === 0) continue
    const message = 'other users of this machine can read it, and it holds secrets'
    yield { severity: 'warning', subject: path, message, hint: `chmod 600 ${path}` }
  }
}

export function toldOfToken({ project, user, roles }: Token, { source }: Identity): Finding {
  const subject = 'token'
  const message = `project ${project.name} as ${user.name} (${roles.join(', ') || 'no role'}), by ${source}`
  if (roles.some((role) => role !== 'reader')) return { severity: 'ok', subject, message }
  const hint =
    'Somebody who administers the project gives it: openstack role add --user USER --project PROJECT member'
  return { severity: 'error', subject, message: `${message}: that role may only look`, hint }
}

export function toldOfClock({ skewMs: skew }: Token): Finding[] {
  if (skew === undefined) return []
  const size = Math.abs(skew)
  const subject = 'clock'
  if (size < skewMs.warning) return [{ severity: 'ok', subject, message: 'agrees with that of Keystone' }]
  const message = `this machine is ${formatDuration(size)} ${skew > 0 ? 'behind' : 'ahead of'} Keystone`
  const hint = 'Set the clock (timedatectl set-ntp true): leases end at wrong times.'
  return [{ severity: size < skewMs.error ? 'warning' : 'error', subject, message, hint }]
}
