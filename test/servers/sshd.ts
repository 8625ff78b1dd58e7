import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { makeAccess, secretsDirectory } from '#src/builder/keys.ts'
import type { Access } from '#src/builder/keys.ts'
import type { BuilderRef } from '#src/builder/types.ts'
import { freePort } from './free-port.ts'

export interface SshServer extends AsyncDisposable {
  /** This machine as a builder, reached over the server. */
  readonly ref: BuilderRef
  readonly access: Access
  /** Where the server has its private host key, as a machine has it and not the factory. */
  readonly hostKeyFile: string
  /** A directory of this server, removed with it. */
  readonly directory: string
  /** What the server wrote so far; with `LogLevel DEBUG1` every login that was asked for and every command. */
  log(): string
  /** Breaks every connection as if the machine's network were cut; commands that run go on. */
  cutConnections(): Promise<number>
  /** Stops listening and breaks every connection. */
  stop(): Promise<void>
  /** Listens again, on the same port with the same key. */
  start(): Promise<void>
}

export interface SshServerOptions {
  /** Tools that lie: name → bash program that runs in the tool's place; `real` in it is the real tool. */
  lies?: Readonly<Record<string, string>>
  /** Tools of /usr/bin that the builder does not have. */
  without?: readonly string[]
  /** More lines for sshd_config. */
  settings?: readonly string[]
  /** The keys of a lease, instead of keys of its own. */
  access?: Access
}

/** A real sshd on a free loopback port, with keys of its own; needs root, as sshd does to log root in. */
export async function startSshServer(options: SshServerOptions = {}): Promise<SshServer> {
  const directory = await mkdtemp(join(await secretsDirectory(), 'sshd-'))
  const access = options.access ?? (await makeAccess(join(directory, 'keys')))
  const port = await freePort()
  const configuration = join(directory, 'sshd_config')
  const hostKeyFile = join(directory, 'host_key')
  await copyFile(access.hostPrivateKeyFile, hostKeyFile)
  await writeFile(join(directory, 'authorized_keys'), `${access.authorizedKey}\n`)
  await writeFile(configuration, settings(directory, hostKeyFile, port, options).join('\n'))
  await mkdir(join(directory, 'bin'))
  for (const [tool, program] of Object.entries(options.lies ?? {})) {
    const script = `#!/bin/bash\nreal() { /usr/bin/${tool} "$@"; }\n${program}\n`
    await writeFile(join(directory, 'bin', tool), script, { mode: 0o755 })
  }
  if (options.without) {
    const tools = join(directory, 'usr-bin')
    await execa('cp', ['-as', '/usr/bin/.', tools])
    for (const tool of options.without) await rm(join(tools, tool))
  }
  await mkdir('/run/sshd', { recursive: true, mode: 0o755 })
  let daemon: ChildProcess | undefined
  let log = ''

  async function start(): Promise<void> {
    daemon = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', configuration], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const stderr = daemon.stderr
    if (!stderr) throw new Error('sshd has no standard error')
    for await (const text of stderr.iterator({ destroyOnReturn: false })) {
      log += String(text)
      if (String(text).includes('Server listening')) break
    }
    stderr.on('data', (text) => (log += String(text)))
    if (daemon.exitCode !== null) throw new Error(`sshd ended with ${daemon.exitCode}`)
  }

  async function cutConnections(): Promise<number> {
    const sessions = await descendants(daemon?.pid ?? 0, 'sshd')
    for (const session of sessions) kill(session)
    return sessions.length
  }

  async function stop(): Promise<void> {
    if (!daemon || daemon.exitCode !== null || daemon.signalCode !== null) return
    const sessions = await descendants(daemon.pid ?? 0, 'sshd')
    const ended = once(daemon, 'exit')
    daemon.kill('SIGKILL')
    await ended
    for (const session of sessions) kill(session)
  }

  await start()
  return {
    ref: {
      leaseId: 'test',
      arch: 'x86_64',
      machine: 'loopback',
      address: { host: '127.0.0.1', port },
      user: 'root',
      hostPublicKey: access.hostPublicKey,
    },
    access,
    hostKeyFile,
    directory,
    log: () => log,
    cutConnections,
    stop,
    start,
    async [Symbol.asyncDispose]() {
      await stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

function settings(directory: string, hostKeyFile: string, port: number, options: SshServerOptions): string[] {
  const system = options.without
    ? join(directory, 'usr-bin')
    : '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  const path = `${join(directory, 'bin')}:${system}`
  return [
    'ListenAddress 127.0.0.1',
    `Port ${port}`,
    `HostKey ${hostKeyFile}`,
    `AuthorizedKeysFile ${join(directory, 'authorized_keys')}`,
    'PidFile none',
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin prohibit-password',
    'MaxStartups 100',
    // With SHLVL, bash does not take itself for a login and leaves this user's .bashrc alone, whatever is in it.
    `SetEnv PATH=${path} SHLVL=2`,
    ...(options.settings ?? []),
    '',
  ]
}

/** Processes of the given name below a process, its own commands left alone. */
export async function descendants(root: number, name: string): Promise<number[]> {
  const parents = new Map<number, { parent: number; name: string }>()
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '')
    const [, command = '', parent = ''] = /^\d+ \((.*)\) \S (\d+)/.exec(stat) ?? []
    if (command !== '') parents.set(Number(entry), { parent: Number(parent), name: command })
  }
  const below = (id: number): boolean => {
    const known = parents.get(id)
    return known !== undefined && (known.parent === root || below(known.parent))
  }
  return [...parents].filter(([id, known]) => known.name === name && below(id)).map(([id]) => id)
}

function kill(processId: number): void {
  try {
    process.kill(processId, 'SIGKILL')
  } catch {
    // It ended by itself.
  }
}

/** Waits until something is so, for events that nobody announces; fails after `limitMs`. */
export async function eventually(what: string, check: () => unknown, limitMs = 45_000): Promise<void> {
  for (const end = Date.now() + limitMs; Date.now() < end; await sleep(20)) {
    if (await check()) return
  }
  throw new Error(`${what} did not happen within ${limitMs} ms`)
}
