import type { Lease } from '#clouds/types.ts'
import { FactoryError } from '#src/errors.ts'
import type { Host } from './hosts.ts'
import type { SshSettings } from './settings.ts'

/** The lock of a host, or the slot of the lease, is in somebody's hands for too long. */
export function hostBusy(host: Host): FactoryError {
  return new FactoryError({
    code: 'host-busy',
    message: `the host ${host.name} was busy with taking or emptying a slot for longer than one waits for that`,
    hint: 'It is tried again. Does a program of the factory hang there?',
    class: 'infra',
  })
}

export function notEmptied({ configuration }: SshSettings, host: Host, leaseId: string): FactoryError {
  return new FactoryError({
    code: 'slot-not-emptied',
    message: `the slot of ${leaseId} on the host ${host.name} is not empty yet: a process of the build does not end, or much is being removed`,
    hint: `factory reap tries again. On the host, ${configuration.directory}/${leaseId}/log says more.`,
    class: 'timeout',
  })
}

export function unwritable(name: string, value: string): FactoryError {
  return new FactoryError({
    code: 'lease-unwritable',
    message: `the ${name} of a lease is no plain text: ${JSON.stringify(value)}`,
    class: 'bug',
  })
}

export function ofAnother(host: Host, lease: Lease): FactoryError {
  return new FactoryError({
    code: 'lease-of-another',
    message: `on the host ${host.name} somebody else has a lease that is called ${lease.id}`,
    hint: 'Give each state directory an owner of its own.',
    class: 'user',
  })
}

/** Whoever asked has given the lease back since, and mostly does not listen any more. */
export function leaseOver(host: Host, lease: Lease): FactoryError {
  return new FactoryError({
    code: 'lease-over',
    message: `the lease ${lease.id} was given back to the host ${host.name} before its slot was made; none was`,
    hint: 'Run factory release again: it takes another lease.',
    class: 'infra',
  })
}

export function notMade(host: Host, words: string): FactoryError {
  return new FactoryError({
    code: 'slot-not-made',
    message: `the host ${host.name} could not make a slot${words === '' ? '' : `: ${words}`}`,
    hint: 'It must allow root to make mount and PID namespaces; log in there and try: unshare --mount --pid --fork true',
    class: 'infra',
  })
}
