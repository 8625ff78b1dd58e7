import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { secretsDirectory } from '#src/builder/keys.ts'
import { quoteCommand } from '#src/builder/quote.ts'

/** One place where libvirt listens. */
export interface Hypervisor {
  /** The name of the place in image keys and messages: `local`, `session` or the host. */
  readonly region: string
  /** As the user wrote it, for messages and commands that people type. */
  readonly uri: string
  /** What virsh is given. */
  readonly connection: string
  /** How to reach the hypervisor's own loopback; absent where it is ours. */
  readonly ssh?: SshAccess
}

export interface SshAccess {
  /** Options of the OpenSSH client. */
  readonly options: readonly string[]
  /** `user@host` or `host`. */
  readonly destination: string
  /** What virsh is given over there. */
  readonly connection: string
}

/**
 * Prepares a connection. For `qemu+ssh` libvirt itself runs ssh, but ignores `known_hosts` and asks for passwords;
 * so it is given a small program of ours that adds the options. That file is written into `stateDirectory`.
 */
export async function openHypervisor(uri: string, stateDirectory: string): Promise<Hypervisor> {
  const url = new URL(uri)
  const region = regionOf(url)
  if (url.protocol !== 'qemu+ssh:') return { region, uri, connection: uri }

  const options = sshOptions(url)
  const digest = createHash('sha256').update(options.join('\0')).digest('hex').slice(0, 12)
  const program = join(stateDirectory, `ssh-${digest}`)
  const shared = await sharedConnection(digest)
  await writeFile(program, `#!/bin/sh\nexec ${quoteCommand(['ssh', ...options, ...shared])} "$@"\n`, {
    mode: 0o700,
  })

  const parameters = [...url.searchParams].filter(([key]) => key !== 'keyfile' && key !== 'known_hosts')
  const all = [...parameters, ['command', program], ['no_tty', '1']] as [string, string][]
  const search = all.map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join('&')
  const port = url.port === '' ? [] : ['-p', url.port]
  const destination = `${url.username === '' ? '' : `${decodeURIComponent(url.username)}@`}${url.hostname}`
  return {
    region,
    uri,
    connection: `${uri.split('?')[0]}?${search}`,
    ssh: { options: [...options, ...port], destination, connection: connectionThere(url) },
  }
}

/**
 * Every virsh is a connection of its own, which over SSH costs half a second; with these options one carries them
 * all and ends soon after the last. Its socket's name holds the digest of the options, so that a connection that was
 * made with one known_hosts is never used with another.
 */
async function sharedConnection(digest: string): Promise<string[]> {
  const socket = join(await secretsDirectory(), `${digest}-%C`)
  return ['ControlMaster=auto', `ControlPath="${socket}"`, 'ControlPersist=20'].flatMap((option) => [
    '-o',
    option,
  ])
}

function connectionThere({ pathname, searchParams }: URL): string {
  const socket = searchParams.get('socket')
  return socket === null
    ? `qemu://${pathname}`
    : `qemu+unix://${pathname}?socket=${encodeURIComponent(socket)}`
}

/** An argv whose standard input and output are a connection to `port` on the hypervisor's loopback. */
export function proxyCommand(access: SshAccess, port: number): string[] {
  return ['ssh', ...access.options, '-W', `127.0.0.1:${port}`, '--', access.destination]
}

function regionOf(url: URL): string {
  // For root libvirt takes `qemu:///session` for `qemu:///system`.
  const isSession =
    url.pathname === '/session' && (process.getuid?.() !== 0 || url.searchParams.has('socket'))
  if (url.hostname === '') return isSession ? 'session' : 'local'
  const host = url.hostname.replaceAll(/[[\]]/g, '')
  return url.port === '' ? host : `${host}:${url.port}`
}

function sshOptions(url: URL): string[] {
  const options = ['BatchMode=yes', 'StrictHostKeyChecking=yes', 'ForwardAgent=no', 'ConnectTimeout=10']
  options.push('ServerAliveInterval=5', 'ServerAliveCountMax=3')
  const keyFile = url.searchParams.get('keyfile')
  const knownHosts = url.searchParams.get('known_hosts')
  if (keyFile !== null) options.push('IdentitiesOnly=yes', `IdentityFile="${keyFile}"`)
  if (knownHosts !== null) options.push(`UserKnownHostsFile="${knownHosts}"`, 'GlobalKnownHostsFile=none')
  return options.flatMap((option) => ['-o', option])
}
