import { lstat, mkdir, mkdtemp, readFile, readdir, rename, rm, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { FactoryError } from '#src/errors.ts'
import { writeKeyPair } from './key-pair.ts'
import type { BuilderLogin } from './types.ts'

/** The keys of one lease: what the machine gets before its first boot, and what we log in with. */
export interface Access extends BuilderLogin {
  /** One line as in authorized_keys. */
  readonly authorizedKey: string
  /** As in known_hosts without the host: `ssh-ed25519 AAAA…`. */
  readonly hostPublicKey: string
  /** The machine's private host key in OpenSSH format; goes into its seed and nowhere else. */
  readonly hostPrivateKeyFile: string
}

/** File systems that live in memory (statfs magic): tmpfs and ramfs. */
const memoryFileSystems = new Set([0x01021994, 0x858458f6])

/**
 * Makes a login key and a host key (ed25519, no passphrase) in `directory`, which comes into being complete or not at
 * all. The same directory again gives the same keys, so that a restarted factory still knows the machines it rented;
 * of two that make them at once both get those of the first.
 */
export async function makeAccess(directory: string): Promise<Access> {
  await removeUnfinished(dirname(directory))
  const made = await findAccess(directory)
  if (made) return made
  await generate(directory)
  return await accessIn(directory)
}

/** The keys that were made in a directory, or nothing when they are gone. */
export async function findAccess(directory: string): Promise<Access | undefined> {
  return await accessIn(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
}

/**
 * The directory where private keys and other secrets lie: in memory, ours alone (0700), gone with the next boot. It is
 * the same whatever the environment is: what a login shell has rented must be found from cron as well, and
 * $XDG_RUNTIME_DIR is neither set there nor does it outlive the login. Throws `secrets-directory-missing` when /dev/shm
 * is no file system in memory, `secrets-directory-unsafe` when somebody else could read or swap what lies there.
 */
export async function secretsDirectory(memory = '/dev/shm'): Promise<string> {
  const userId = process.getuid?.() ?? 0
  if (await inMemory(memory)) return await ownDirectory(join(memory, `image-factory-${userId}`), userId)
  throw new FactoryError({
    code: 'secrets-directory-missing',
    message: `private keys may not lie on a disk, and ${memory} is no file system in memory (tmpfs)`,
    hint: `Mount one: mkdir -p ${memory} && mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs ${memory}`,
    class: 'user',
  })
}

async function accessIn(directory: string): Promise<Access> {
  const privateKeyFile = join(directory, 'login')
  const hostPrivateKeyFile = join(directory, 'host')
  return {
    privateKeyFile,
    hostPrivateKeyFile,
    authorizedKey: `${await publicKey(privateKeyFile)} image-factory`,
    hostPublicKey: await publicKey(hostPrivateKeyFile),
  }
}

async function generate(directory: string): Promise<void> {
  const temporary = await mkdtemp(`${directory}.made-by-${process.pid}-`)
  try {
    for (const name of ['login', 'host']) await writeKeyPair(join(temporary, name))
    await rename(temporary, directory)
  } catch (error) {
    await rm(temporary, { recursive: true, force: true })
    if (await findAccess(directory)) return
    throw new FactoryError({
      code: 'keys-not-made',
      message: `cannot make SSH keys in ${directory}`,
      hint: `Look whether it can be written and has space left: ls -ld ${dirname(directory)}; df -h ${dirname(directory)}`,
      class: 'user',
      cause: error,
    })
  }
}

/** What a factory that was killed while it made keys has left: nobody knows these keys, and nobody would remove them. */
async function removeUnfinished(directory: string): Promise<void> {
  const names = await readdir(directory).catch(() => [])
  for (const name of names) {
    const [, maker] = /\.made-by-(\d+)-\w{6}$/.exec(name) ?? []
    if (maker !== undefined && !lives(Number(maker)))
      await rm(join(directory, name), { recursive: true, force: true })
  }
}

/** A process of somebody else lives as well, it only may not be signalled. */
function lives(processId: number): boolean {
  try {
    return process.kill(processId, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

async function publicKey(privateKeyFile: string): Promise<string> {
  const words = (await readFile(`${privateKeyFile}.pub`, 'utf8')).trim().split(' ')
  return words.slice(0, 2).join(' ')
}

async function ownDirectory(path: string, userId: number): Promise<string> {
  await mkdir(path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  const found = await lstat(path)
  if (found.isDirectory() && found.uid === userId && (found.mode & 0o077) === 0) return path
  throw new FactoryError({
    code: 'secrets-directory-unsafe',
    message: `${path} is not a directory that only user ${userId} can read`,
    hint: `Look who made it (ls -ld ${path}), then remove it: the factory makes it anew.`,
    class: 'user',
  })
}

async function inMemory(path: string): Promise<boolean> {
  try {
    return memoryFileSystems.has((await statfs(path)).type)
  } catch {
    return false
  }
}
