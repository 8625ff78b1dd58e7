import { FactoryError } from '#src/errors.ts'
import { formatBytes, formatDuration } from '#src/units.ts'
import type { LeaseOnHost } from './answers.ts'
import type { Host } from './hosts.ts'
import type { SshSettings } from './settings.ts'

/** A host that is well and has no place: its slots are taken, or its disk is full. */
export type Crowd = { host: Host; leases: LeaseOnHost[] } & (
  | { outcome: 'full' }
  | { outcome: 'no-room'; freeBytes: number }
)

export function noHost({ name }: SshSettings, arch: string): FactoryError {
  return new FactoryError({
    code: 'host-not-configured',
    message: `clouds.${name}.hosts names no ${arch} host`,
    hint: `Add one under clouds.${name}.hosts.${arch}, or name another cloud under builders.${arch}.`,
    class: 'user',
  })
}

/** Others have every slot of the hosts that are well. */
export function noSlot({ name }: SshSettings, crowd: readonly Crowd[], waitedMs: number): FactoryError {
  const waited = waitedMs === 0 ? '' : ` after ${formatDuration(waitedMs)}`
  return new FactoryError({
    code: 'no-slot-free',
    message: `the hosts of ${name} have no slot free${waited}: ${crowd.map(shown).join('; ')}`,
    hint: `Name another source after ${name} under builders, raise clouds.${name}.waitFor or the slots of a host, or release again later.`,
    class: 'capacity',
  })
}

export function noRoom({ name, configuration }: SshSettings, { host, ...found }: Crowd): FactoryError {
  const free = found.outcome === 'no-room' ? formatBytes(found.freeBytes) : 'too little'
  return new FactoryError({
    code: 'host-no-room',
    message: `the host ${host.name} of ${name} has ${free} free in ${configuration.directory}, less than this build needs`,
    hint: `Make room there, or mount a larger disk at ${configuration.directory}.`,
    class: 'disk-full',
  })
}

/** One failure speaks for itself; several are told together. */
export function unusable({ name }: SshSettings, failures: readonly FactoryError[]): FactoryError {
  const [first, ...others] = failures
  if (first && others.length === 0) return first
  const classes = new Set(failures.map((each) => each.class))
  return new FactoryError({
    code: 'no-host-usable',
    message: `no host of ${name} can be used: ${failures.map(({ message }) => message).join('; ')}`,
    hint: 'factory doctor looks at all of them again.',
    class: classes.size === 1 ? first!.class : 'infra',
    cause: first,
  })
}

function shown({ host, outcome, leases }: Crowd): string {
  const who = leases.map(({ owner, release, expires }) => `${owner}'s ${release} until ${expires}`)
  const why = outcome === 'full' ? `${host.slots} of ${host.slots} taken` : 'its disk is full'
  return `${host.name}: ${why}${who.length === 0 ? '' : ` (${who.join(', ')})`}`
}
