import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chown, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { join } from 'node:path'
import { execa } from 'execa'

/** A libvirt of an ordinary user, as `qemu:///session` is, with directories of its own. */
export interface SessionLibvirt extends AsyncDisposable {
  readonly uri: string
  /** A directory that its guests may use. */
  readonly directory: string
  virsh(...argv: string[]): Promise<string>
}

/** `nobody` on Debian and Fedora. */
const unprivileged = 65_534
const startLimitMs = 30_000
/** libvirt asks every QEMU that it finds for its abilities before it answers, each for a second or two; one is enough here. */
const programs = ['qemu-system-x86_64', 'qemu-img']
const runWithPath = 'daemon=$(command -v "$1"); PATH=$2; exec "$daemon"'

/**
 * Starts the daemons of a session. For root `qemu:///session` is the system's own libvirt under another name, so root
 * starts them as nobody and talks to their socket.
 */
export async function startSessionLibvirt(): Promise<SessionLibvirt> {
  await using started = new AsyncDisposableStack()
  const directory = await mkdtemp('/var/tmp/factory-session-')
  started.defer(() => rm(directory, { recursive: true, force: true }))
  const places = { XDG_RUNTIME_DIR: 'run', XDG_CONFIG_HOME: 'config', XDG_CACHE_HOME: 'cache', HOME: 'home' }
  const environment = Object.entries(places).map(([key, name]) => [key, join(directory, name)] as const)
  for (const [, path] of environment) await mkdir(path, { mode: 0o700 })
  const isRoot = process.getuid?.() === 0
  const paths = [directory, ...environment.map(([, path]) => path)]
  if (isRoot) for (const path of paths) await chown(path, unprivileged, unprivileged)

  const id = String(unprivileged)
  const asNobody = ['setpriv', '--reuid', id, '--regid', id, '--clear-groups', '--']
  const bin = join(directory, 'bin')
  await mkdir(bin)
  for (const name of programs) await symlink(await whereIs(name), join(bin, name))
  const path = `${process.env['PATH']}:/usr/sbin`
  const env = { PATH: path, LC_ALL: 'C', ...Object.fromEntries(environment) }
  for (const daemon of ['virtlogd', 'libvirtd']) {
    const [program, ...argv] = [...(isRoot ? asNobody : []), 'sh', '-c', runWithPath, 'sh', daemon, bin]
    const child = spawn(program!, argv, { env, cwd: directory, stdio: 'ignore' })
    const ended = once(child, 'exit')
    started.defer(async () => {
      child.kill()
      await ended
    })
  }
  const uri = `qemu+unix:///session?socket=${join(directory, 'run/libvirt/libvirt-sock')}`
  const virsh = async (...argv: string[]) =>
    (await execa('virsh', ['-q', '-c', uri, ...argv], { timeout: 60_000 })).stdout
  await answering(() => virsh('version'))
  const held = started.move()
  return { uri, directory, virsh, [Symbol.asyncDispose]: () => held.disposeAsync() }
}

async function whereIs(program: string): Promise<string> {
  return (await execa('sh', ['-c', 'command -v "$1"', 'sh', program])).stdout
}

async function answering(ask: () => Promise<unknown>): Promise<void> {
  const deadline = Date.now() + startLimitMs
  for (;;) {
    try {
      await ask()
      return
    } catch (error) {
      if (Date.now() > deadline) throw error
      await pause(100)
    }
  }
}
