import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { execa } from 'execa'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { findAccess, makeAccess, secretsDirectory } from '#src/builder/keys.ts'

describe('the keys of a lease', () => {
  test('are two different ed25519 pairs that only we can read', async () => {
    const directory = await mkdtemp(join(await secretsDirectory(), 'keys-'))
    try {
      const access = await makeAccess(join(directory, 'lease'))
      expect(access.authorizedKey).toMatch(/^ssh-ed25519 AAAA\S+ image-factory$/)
      expect(access.hostPublicKey).toMatch(/^ssh-ed25519 AAAA\S+$/)
      expect(access.authorizedKey).not.toContain(access.hostPublicKey)
      for (const file of [access.privateKeyFile, access.hostPrivateKeyFile]) {
        expect((await stat(file)).mode & 0o777).toBe(0o600)
        expect(await readFile(file, 'utf8')).toMatch(/^-----BEGIN OPENSSH PRIVATE KEY-----/)
      }
      const derived = await execa('ssh-keygen', ['-y', '-f', access.hostPrivateKeyFile])
      expect(derived.stdout.trim()).toBe(access.hostPublicKey)
      expect((await stat(join(directory, 'lease'))).mode & 0o777).toBe(0o700)
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  test('are the same again for the same directory, and others for another', async () => {
    const directory = await mkdtemp(join(await secretsDirectory(), 'keys-'))
    try {
      const first = await makeAccess(join(directory, 'one'))
      expect(await makeAccess(join(directory, 'one'))).toEqual(first)
      expect((await makeAccess(join(directory, 'two'))).authorizedKey).not.toBe(first.authorizedKey)
      expect((await readdir(directory)).toSorted()).toEqual(['one', 'two'])
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  test('are those of the first when two make them at once', async () => {
    const directory = await mkdtemp(join(await secretsDirectory(), 'keys-'))
    try {
      const [one, other] = await Promise.all([1, 2].map(() => makeAccess(join(directory, 'lease'))))
      expect(one).toEqual(other)
      expect(await readdir(directory)).toEqual(['lease'])
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  test('do not count and do not stay when their maker was killed half way', async () => {
    const directory = await mkdtemp(join(await secretsDirectory(), 'keys-'))
    const maker = execa('sleep', ['50'], { reject: false })
    try {
      const half = join(directory, `lease.made-by-${maker.pid}-abcdef`)
      await mkdir(half)
      await writeFile(join(half, 'login'), 'a key')
      await makeAccess(join(directory, 'another'))
      expect(await readdir(directory)).toContain(basename(half))

      maker.kill('SIGKILL')
      await maker
      expect(await findAccess(join(directory, 'lease'))).toBeUndefined()
      await makeAccess(join(directory, 'one more'))
      expect(await readdir(directory)).not.toContain(basename(half))
    } finally {
      await rm(directory, { recursive: true })
    }
  })
})

describe('the directory for secrets', () => {
  afterEach(() => vi.unstubAllEnvs())

  test('is in memory, ours alone, and made when it is not there', async () => {
    const memory = await mkdtemp('/dev/shm/memory-')
    try {
      const directory = await secretsDirectory(memory)
      expect(directory).toBe(join(memory, `image-factory-${process.getuid?.()}`))
      expect((await stat(directory)).mode & 0o777).toBe(0o700)
    } finally {
      await rm(memory, { recursive: true })
    }
  })

  test('is the same for a login shell, for cron, and after the end of the login', async () => {
    const runtime = await mkdtemp('/dev/shm/runtime-')
    try {
      vi.stubEnv('XDG_RUNTIME_DIR', runtime)
      const inLogin = await secretsDirectory()
      await rm(runtime, { recursive: true })
      expect(await secretsDirectory()).toBe(inLogin)
      vi.stubEnv('XDG_RUNTIME_DIR', undefined)
      expect(await secretsDirectory()).toBe(inLogin)
      expect(inLogin).toBe(`/dev/shm/image-factory-${process.getuid?.()}`)
    } finally {
      await rm(runtime, { recursive: true, force: true })
    }
  })

  test('is not put on a disk: what is missing is said', async () => {
    const disk = await mkdtemp('/var/tmp/disk-')
    try {
      await expect(secretsDirectory(disk)).rejects.toMatchObject({
        code: 'secrets-directory-missing',
        message: expect.stringContaining(`${disk} is no file system in memory`),
        hint: expect.stringContaining(`mount -t tmpfs`),
      })
      expect(await readdir(disk)).toEqual([])
    } finally {
      await rm(disk, { recursive: true })
    }
  })

  test('is refused when others may read it, or when it is a link', async () => {
    const memory = await mkdtemp('/dev/shm/memory-')
    const own = join(memory, `image-factory-${process.getuid?.()}`)
    try {
      await mkdir(own)
      await chmod(own, 0o755)
      await expect(secretsDirectory(memory)).rejects.toMatchObject({ code: 'secrets-directory-unsafe' })
      await rm(own, { recursive: true })
      await symlink('/dev/shm', own)
      await expect(secretsDirectory(memory)).rejects.toMatchObject({ code: 'secrets-directory-unsafe' })
    } finally {
      await rm(memory, { recursive: true })
    }
  })
})
