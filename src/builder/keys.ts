import { lstat, mkdir, mkdtemp, readFile, rename, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { FactoryError } from '#src/errors.ts'
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
 * all. The same directory again gives the same keys, so that a restarted factory still knows the machines it rented.
 */
export async function makeAccess(directory: string): Promise<Access> {
  if (!(await exists(directory))) await generate(directory)
  const privateKeyFile = join(directory, 'login')
  const hostPrivateKeyFile = join(directory, 'host')
  return {
    privateKeyFile,
    hostPrivateKeyFile,
    authorizedKey: `${await publicKey(privateKeyFile)} image-factory`,
    hostPublicKey: await publicKey(hostPrivateKeyFile),
  }
}

/**
 * The directory where private keys and other secrets lie: in memory, ours alone (0700), gone with the next boot.
 * Throws `secrets-directory-unsafe` when somebody else could read or swap what lies there.
 */
export async function secretsDirectory(): Promise<string> {
  const userId = process.getuid?.() ?? 0
  const runtime = process.env['XDG_RUNTIME_DIR']
  if (runtime && (await inMemory(runtime))) return ownDirectory(join(runtime, 'image-factory'), userId)
  if (await inMemory('/dev/shm')) return ownDirectory(`/dev/shm/image-factory-${userId}`, userId)
  throw new FactoryError({
    code: 'secrets-directory-missing',
    message:
      'there is no file system in memory for private keys: neither $XDG_RUNTIME_DIR nor /dev/shm is a tmpfs',
    hint: 'Mount one (mount -t tmpfs tmpfs /dev/shm) or set XDG_RUNTIME_DIR to a directory on a tmpfs.',
    class: 'user',
  })
}

async function generate(directory: string): Promise<void> {
  const temporary = await mkdtemp(`${directory}.`)
  try {
    for (const name of ['login', 'host']) {
      await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', join(temporary, name)], {
        stdin: 'ignore',
        timeout: 20_000,
      })
    }
    await rename(temporary, directory)
  } catch (error) {
    await rm(temporary, { recursive: true, force: true })
    throw new FactoryError({
      code: 'keys-not-made',
      message: `cannot make SSH keys in ${directory}`,
      hint: 'Install the OpenSSH client (ssh-keygen) and look whether the directory can be written.',
      class: 'user',
      cause: error,
    })
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

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch {
    return false
  }
}
