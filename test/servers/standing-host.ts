import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { basename, join } from 'node:path'
import { execa } from 'execa'
import { type Access, makeAccess, secretsDirectory } from '#src/builder/keys.ts'
import { freePort } from './free-port.ts'

export interface StandingHost extends AsyncDisposable {
  readonly port: number
  /** The administrator's key, and the host key as it was made. */
  readonly access: Access
  /** Runs a bash program as root on the host, outside of every slot; gives its standard output. */
  run(script: string): Promise<string>
  /** Where on this machine lies what the host has at a path below /home, /root, /var/lib, /var/tmp or /usr/local. */
  locally(path: string): string
  /** Pulls the plug: every process of the host is gone, and its mounts. */
  die(): Promise<void>
  /** Starts it again after that, with an empty memory and a boot id of its own. */
  boot(): Promise<void>
  /** Makes sshd show another host key from the next connection on. */
  changeHostKey(): Promise<void>
  /** Replaces a tool by a bash program; `real` in it is the real tool. */
  lie(tool: string, program: string): Promise<void>
  /** Brings the real tool back. */
  tellTruth(tool: string): Promise<void>
}

export interface StandingHostOptions {
  /** What `uname -m` says; by default the truth. */
  arch?: string
  /** Who logs in; anybody but root gets a stand-in for sudo. */
  user?: string
  /** Cgroup 2 alone, as current distributions have it: the root of it is a group of the host's own. */
  cgroup2?: boolean
}

/** Places with a content of the host's own that outlives a reboot. */
const kept = ['/home', '/root', '/usr/local/bin', '/usr/local/sbin', '/var/lib', '/var/tmp']

/** The first process of the host. Arguments: directory with its places. Its process id, as we see it, goes first. */
const initScript = `
set -euo pipefail
read -r process _ </proc/self/stat
echo "$process"
mount -t overlay -o "lowerdir=/etc,upperdir=$1/etc,workdir=$1/etc-work" overlay /etc
for place in ${kept.join(' ')}; do mount --bind "$1$place" "$place"; done
mount -t tmpfs tmpfs /run
mkdir -m 0755 /run/sshd /run/resolver
echo 'nameserver 192.0.2.1' >/run/resolver/resolv.conf
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t proc proc /proc
if [ -n "$2" ]; then
  mount -t tmpfs tmpfs /mnt
  mkdir /mnt/groups
  mount -t cgroup2 cgroup2 /mnt/groups
  mount --bind /mnt/groups /sys/fs/cgroup
fi
mount --bind /etc/boot-id /proc/sys/kernel/random/boot_id
/usr/sbin/sshd -D -e &
wait
`

/** podman, as far as the factory asks whether it is there. */
const podman = '#!/bin/bash\necho 5.4.2\n'

/** What \`sudo -n -- argv\` does for somebody who may: a copy of bash with the set-user-id bit runs it. */
const sudo = `#!/usr/local/sbin/bash-as-root -p
[ "$1 $2" = '-n --' ] || { echo "sudo: only -n -- is known here" >&2; exit 1; }
shift 2
exec setpriv --reuid 0 --regid 0 --clear-groups -- env -i PATH="$PATH" HOME=/root USER=root LOGNAME=root SHLVL=2 "$@"
`

/** A host that stands there already: a real sshd with mounts and processes of its own on this machine. Needs root. */
export async function startStandingHost(options: StandingHostOptions = {}): Promise<StandingHost> {
  const user = options.user ?? 'root'
  const secrets = await mkdtemp(join(await secretsDirectory(), 'standing-'))
  const access = await makeAccess(join(secrets, 'keys'))
  const directory = await mkdtemp('/var/tmp/standing-')
  const port = await freePort()
  const group = options.cgroup2 ? join(await cgroup2Root(), basename(directory)) : ''
  const at = (path: string) => join(directory, path)
  let holder: ChildProcess | undefined
  let firstProcess = 0

  async function furnish(): Promise<void> {
    for (const place of kept) await mkdir(at(place), { recursive: true })
    // What is not here is this machine's.
    for (const place of ['etc/ssh', 'etc-work']) await mkdir(at(place), { recursive: true })
    await symlink('/run/resolver/resolv.conf', at('etc/resolv.conf'))
    await copyFile(access.hostPrivateKeyFile, at('etc/ssh/ssh_host_ed25519_key'))
    await chmod(at('var/tmp'), 0o1777)
    const configuration = [
      'ListenAddress 127.0.0.1',
      `Port ${port}`,
      'HostKey /etc/ssh/ssh_host_ed25519_key',
      'PidFile none',
      'UsePAM no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin prohibit-password',
      'MaxStartups 100',
      'SetEnv PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin SHLVL=2',
    ]
    await writeFile(at('etc/ssh/sshd_config'), `${configuration.join('\n')}\n`)
    await writeFile(at('usr/local/sbin/podman'), podman, { mode: 0o755 })
    if (options.arch !== undefined) await lie('uname', `echo ${options.arch}`)
    if (user !== 'root') await addUser()
    const home = user === 'root' ? 'root' : `home/${user}`
    await chmod(at('root'), 0o700)
    await mkdir(at(`${home}/.ssh`), { recursive: true, mode: 0o700 })
    // Without an end of line, as people leave it.
    await writeFile(at(`${home}/.ssh/authorized_keys`), access.authorizedKey, { mode: 0o600 })
    if (user !== 'root') await execa('chown', ['-R', '4321:4321', at(home)])
  }

  async function addUser(): Promise<void> {
    for (const name of ['passwd', 'shadow', 'group']) await copyFile(`/etc/${name}`, at(`etc/${name}`))
    await writeFile(at('etc/passwd'), `${user}:x:4321:4321::/home/${user}:/bin/bash\n`, { flag: 'a' })
    await writeFile(at('etc/shadow'), `${user}:*:19000:0:99999:7:::\n`, { flag: 'a' })
    await writeFile(at('etc/group'), `${user}:x:4321:\n`, { flag: 'a' })
    await copyFile('/bin/bash', at('usr/local/sbin/bash-as-root'))
    await chmod(at('usr/local/sbin/bash-as-root'), 0o4755)
    await writeFile(at('usr/local/sbin/sudo'), sudo, { mode: 0o755 })
  }

  async function boot(): Promise<void> {
    await writeFile(at('etc/boot-id'), `${randomUUID()}\n`)
    const own = ['unshare', '--mount', '--pid', '--cgroup', '--fork', '--propagation', 'private', '--']
    const init = [...own, 'bash', '-c', initScript, 'host', directory, group]
    const enter = 'set -e; [ -z "$1" ] || { mkdir -p "$1"; echo $$ >"$1/cgroup.procs"; }; shift; exec "$@"'
    holder = spawn('bash', ['-c', enter, 'enter', group, ...init], { stdio: ['ignore', 'pipe', 'pipe'] })
    const said = { out: '', err: '' }
    const ready = Promise.withResolvers<number>()
    // Two pipes: what was written later may be read first.
    const look = () => {
      const [, number] = /^(\d+)\n/.exec(said.out) ?? []
      if (number !== undefined && said.err.includes('Server listening')) ready.resolve(Number(number))
    }
    holder.stdout!.on('data', (text) => {
      said.out += String(text)
      look()
    })
    holder.stderr!.on('data', (text) => {
      said.err += String(text)
      look()
    })
    holder.once('exit', () => ready.reject(new Error(`the host did not start: ${said.err}`)))
    firstProcess = await ready.promise
  }

  async function die(): Promise<void> {
    if (!holder || holder.exitCode !== null) return
    const ended = once(holder, 'exit')
    holder = undefined
    process.kill(firstProcess, 'SIGKILL')
    await ended
  }

  async function run(script: string): Promise<string> {
    const enter = ['-t', String(firstProcess), '-m', '-p', '-C', '--', 'bash', '-euc', script]
    // With the real tools, whatever lies there are.
    const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }
    return (await execa('nsenter', enter, { env, timeout: 30_000 })).stdout
  }

  async function lie(tool: string, program: string): Promise<void> {
    const script = `#!/bin/bash\nreal() { PATH=/usr/sbin:/usr/bin command ${tool} "$@"; }\n${program}\n`
    await writeFile(at(`usr/local/sbin/${tool}`), script, { mode: 0o755 })
  }

  async function remove(): Promise<void> {
    await die()
    if (group) await execa('find', [group, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', '+'])
    await execa('chattr', ['-R', '-f', '-i', directory], { reject: false })
    await rm(directory, { recursive: true, force: true })
    await rm(secrets, { recursive: true, force: true })
  }

  try {
    await furnish()
    await boot()
  } catch (error) {
    await remove()
    throw error
  }
  return {
    port,
    access,
    run,
    locally: at,
    die,
    boot,
    async changeHostKey() {
      const other = await makeAccess(join(secrets, 'other'))
      await run(`
        cp ${other.hostPrivateKeyFile} /etc/ssh/ssh_host_ed25519_key
        kill -HUP $(pgrep -o -x sshd)`)
    },
    lie,
    tellTruth: (tool) => rm(at(`usr/local/sbin/${tool}`)),
    [Symbol.asyncDispose]: remove,
  }
}

async function cgroup2Root(): Promise<string> {
  const { stdout } = await execa('findmnt', [
    '--noheadings',
    '--list',
    '--types',
    'cgroup2',
    '--output',
    'TARGET',
  ])
  return stdout.split('\n')[0] ?? ''
}
