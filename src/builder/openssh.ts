import { writeFile } from 'node:fs/promises'
import { asRoot } from './as-root.ts'
import { endingWithUs } from './end-with-us.ts'
import { acceptedHostKeys } from './host-keys.ts'
import { quoteCommand } from './quote.ts'
import type { BuilderLogin, BuilderRef } from './types.ts'

/** The OpenSSH client set up for one builder: image bytes travel through it, several times faster than through ssh2. */
export interface OpenSsh {
  /** The program and its arguments that run argv on the builder as root, without a terminal; it ends when we end. */
  command(argv: readonly string[], cipher?: Cipher): [string, ...string[]]
}

/** Both are authenticated, and neither is ever negotiated down to anything else. */
export type Cipher = 'aes128-gcm@openssh.com' | 'chacha20-poly1305@openssh.com'

/** The name under which the pinned key stands in our own known_hosts file, whatever the address is. */
const alias = 'factory-builder'

/** Sets the client up; nothing of the user's own SSH configuration is read. */
export async function openOpenSsh(ref: BuilderRef, login: BuilderLogin): Promise<OpenSsh> {
  const options = await sshOptions(ref, login)
  const [program = 'ssh', ...before] = [...(await endingWithUs()), 'ssh']
  return {
    command: (argv, cipher = 'aes128-gcm@openssh.com') => {
      const words = ['--', ref.address.host, quoteCommand(asRoot(ref, argv))]
      return [program, ...before, '-T', '-c', cipher, ...options, ...words]
    },
  }
}

/** Arguments for `ssh` up to the host, for a person's own session; words of a command may follow. */
export async function sshArguments(ref: BuilderRef, login: BuilderLogin): Promise<string[]> {
  return [...(await sshOptions(ref, login)), '--', ref.address.host]
}

/** The known_hosts file lies beside the login key and dies with it. */
async function sshOptions(ref: BuilderRef, login: BuilderLogin): Promise<string[]> {
  const knownHosts = `${login.privateKeyFile}.known_hosts`
  const lines = (await acceptedHostKeys(ref, login)).map((key) => `${alias} ${key}\n`)
  await writeFile(knownHosts, lines.join(''), { mode: 0o600 })
  const settings: Record<string, string> = {
    UserKnownHostsFile: optionPath(knownHosts),
    GlobalKnownHostsFile: '/dev/null',
    HostKeyAlias: alias,
    StrictHostKeyChecking: 'yes',
    CheckHostIP: 'no',
    UpdateHostKeys: 'no',
    HostKeyAlgorithms: 'ssh-ed25519',
    KexAlgorithms: 'curve25519-sha256,curve25519-sha256@libssh.org',
    Ciphers: 'aes128-gcm@openssh.com,chacha20-poly1305@openssh.com',
    IdentityFile: optionPath(login.privateKeyFile),
    IdentitiesOnly: 'yes',
    IdentityAgent: 'none',
    PreferredAuthentications: 'publickey',
    BatchMode: 'yes',
    ForwardAgent: 'no',
    ClearAllForwardings: 'yes',
    ControlPath: 'none',
    Compression: 'no',
    ConnectTimeout: '20',
    ServerAliveInterval: '5',
    ServerAliveCountMax: '3',
    LogLevel: 'ERROR',
    User: ref.user,
    Port: String(ref.address.port),
  }
  if (ref.address.proxyCommand) {
    settings['ProxyCommand'] = quoteCommand(ref.address.proxyCommand).replaceAll('%', '%%')
  }
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`])
  return ['-F', '/dev/null', ...options]
}

/** File names in ssh's options are split at spaces and have % expanded. */
function optionPath(path: string): string {
  return `"${path.replaceAll('%', '%%')}"`
}
