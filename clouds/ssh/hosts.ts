import { homedir } from 'node:os'
import { join } from 'node:path'
import { type ArchitectureName, architectureNames } from '#arch/index.ts'
import { jumpCommand } from '#clouds/machine-address.ts'
import type { BuilderLogin, BuilderRef } from '#src/builder/types.ts'
import { FactoryError } from '#src/errors.ts'
import type { SshConfiguration } from './config.ts'

/** A host that stands there already. */
export interface Host {
  /** For people and for our own records: its address, with the port where that is not 22. */
  readonly name: string
  readonly arch: ArchitectureName
  readonly slots: number
  /** How the administrator's key gets in. */
  readonly ref: BuilderRef
  readonly login: BuilderLogin
}

/** The hosts of the configuration. Throws `host-named-twice`: the slots of one host would be counted twice. */
export function hostsOf(name: string, configuration: SshConfiguration): Host[] {
  const hosts = architectureNames.flatMap((arch) =>
    (configuration.hosts[arch] ?? []).map((each): Host => {
      const { address, port, slots } = each
      const shown = address.includes(':') ? `[${address}]` : address
      const named = port === 22 ? address : `${shown}:${port}`
      const { jump } = configuration
      const proxy = jump === undefined ? {} : { proxyCommand: jumpCommand(jump, `${shown}:${port}`) }
      const ref = {
        leaseId: 'none',
        arch,
        machine: named,
        address: { host: address, port, ...proxy },
        user: each.user ?? configuration.user,
        hostPublicKey: each.hostKey.split(' ').slice(0, 2).join(' '),
      }
      const privateKeyFile = atHome(each.identityFile ?? configuration.identityFile)
      return { name: named, arch, slots, ref, login: { privateKeyFile } }
    }),
  )
  const names = hosts.map((host) => host.name)
  const twice = names.find((each, index) => names.indexOf(each) !== index)
  if (twice === undefined) return hosts
  throw new FactoryError({
    code: 'host-named-twice',
    message: `clouds.${name}.hosts names the host ${twice} twice`,
    hint: 'Name every host once; slots says how many builds it may do at the same time.',
    class: 'user',
  })
}

function atHome(path: string): string {
  return path.startsWith('~/') ? join(homedir(), path.slice(2)) : path
}
