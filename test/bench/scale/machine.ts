import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { type ArchitectureName, architectures } from '#arch/index.ts'
import { command, init, podman, uname } from './machine-programs.ts'
import type { Rental, Span } from './ledger.ts'

export const sshPort = 2222

export interface MachineTimes {
  containerSeconds: number
  diskSeconds: number
}

/** A machine that is there: an sshd with its sessions and their jobs. */
export interface Machine {
  /** Ends every process of it; answers with what its commands and jobs took. */
  end(): Promise<Span[]>
}

/** What all machines have in common: their programs, in a directory that all of them can read. */
export async function writePrograms(directory: string): Promise<void> {
  await mkdir(join(directory, 'bin'), { recursive: true })
  await writeFile(join(directory, 'command'), command)
  await writeFile(join(directory, 'bin', 'podman'), podman, { mode: 0o755 })
  await writeFile(join(directory, 'bin', 'uname'), uname, { mode: 0o755 })
}

/** Boots a machine of a lease at an address of the loopback network; returns when its sshd listens. */
export async function bootMachine(
  programs: string,
  { lease, access }: Rental,
  { host, times, identity }: { host: string; times: MachineTimes; identity: string },
): Promise<Machine> {
  const directory = join(programs, lease.id)
  await mkdir(directory, { mode: 0o700 })
  await writeFile(join(directory, 'host_key'), access.hostPrivateKey, { mode: 0o600 })
  await writeFile(join(directory, 'authorized_keys'), `${access.authorizedKey}\n`)
  await writeFile(join(directory, 'busy'), '')
  await writeFile(join(directory, 'sshd_config'), settings(programs, directory, lease.arch, host, times))
  const booted = join(directory, 'booted')
  if (identity !== '') {
    await mkdir(join(booted, 'image-factory'), { recursive: true })
    await writeFile(join(booted, 'image-factory', 'release'), identity)
  }
  const words = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', init, 'init']
  const last = [directory, identity === '' ? '' : booted]
  const process = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', ...words, ...last], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  await untilListening(process.stderr)
  return {
    async end() {
      const ended = once(process, 'exit')
      if (process.exitCode === null && process.signalCode === null && process.kill('SIGKILL')) await ended
      const busy = await readFile(join(directory, 'busy'), 'utf8')
      await rm(directory, { recursive: true, force: true })
      return busy.split('\n').filter(Boolean).map(spanOf)
    },
  }
}

function settings(
  programs: string,
  directory: string,
  arch: ArchitectureName,
  host: string,
  { containerSeconds, diskSeconds }: MachineTimes,
): string {
  const environment = {
    PATH: `${join(programs, 'bin')}:/usr/sbin:/usr/bin:/sbin:/bin`,
    // With SHLVL, bash does not take itself for a login and leaves this user's .bashrc alone, whatever is in it.
    SHLVL: '2',
    ARCH: arch,
    OCI: architectures[arch].oci,
    BUSY: join(directory, 'busy'),
    CONTAINER_SECONDS: String(containerSeconds),
    DISK_SECONDS: String(diskSeconds),
  }
  const words = Object.entries(environment).map(([name, value]) => `${name}=${value}`)
  return [
    `ListenAddress ${host}`,
    `Port ${sshPort}`,
    `HostKey ${join(directory, 'host_key')}`,
    `AuthorizedKeysFile ${join(directory, 'authorized_keys')}`,
    'PidFile none',
    'StrictModes no',
    'UsePAM no',
    'UseDNS no',
    'PrintMotd no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin prohibit-password',
    'MaxStartups 100',
    `SetEnv ${words.join(' ')}`,
    `ForceCommand . ${join(programs, 'command')}`,
    '',
  ].join('\n')
}

/** What sshd says later is read and thrown away, so that it never waits for us. */
async function untilListening(stderr: Readable): Promise<void> {
  let said = ''
  for await (const text of stderr.iterator({ destroyOnReturn: false })) {
    said += String(text)
    if (said.includes('Server listening')) return void stderr.resume()
  }
  throw new Error(`a machine ended before it listened: ${said}`)
}

/** As bash writes EPOCHREALTIME: seconds with a fraction. */
function spanOf(line: string): Span {
  const [from = 0, to = 0] = line.split(' ').map((seconds) => Number(seconds) * 1000)
  return { from, to }
}
