import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { makeAccess, secretsDirectory } from '#src/builder/keys.ts'

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
})

describe('the directory for secrets', () => {
  afterEach(() => vi.unstubAllEnvs())

  test('is in memory, ours alone, and made when it is not there', async () => {
    const runtime = await mkdtemp('/dev/shm/runtime-')
    try {
      vi.stubEnv('XDG_RUNTIME_DIR', runtime)
      const directory = await secretsDirectory()
      expect(directory).toBe(join(runtime, 'image-factory'))
      expect((await stat(directory)).mode & 0o777).toBe(0o700)
    } finally {
      await rm(runtime, { recursive: true })
    }
  })

  test('is not put on a disk', async () => {
    const runtime = await mkdtemp(join(tmpdir(), 'runtime-'))
    try {
      vi.stubEnv('XDG_RUNTIME_DIR', runtime)
      expect(await secretsDirectory()).toMatch(/^\/dev\/shm\/image-factory-\d+$/)
    } finally {
      await rm(runtime, { recursive: true })
    }
  })

  test('is refused when others may read it, or when it is a link', async () => {
    const runtime = await mkdtemp('/dev/shm/runtime-')
    try {
      vi.stubEnv('XDG_RUNTIME_DIR', runtime)
      await mkdir(join(runtime, 'image-factory'))
      await chmod(join(runtime, 'image-factory'), 0o755)
      await expect(secretsDirectory()).rejects.toMatchObject({ code: 'secrets-directory-unsafe' })
      await rm(join(runtime, 'image-factory'), { recursive: true })
      await symlink('/dev/shm', join(runtime, 'image-factory'))
      await expect(secretsDirectory()).rejects.toMatchObject({ code: 'secrets-directory-unsafe' })
    } finally {
      await rm(runtime, { recursive: true })
    }
  })
})
