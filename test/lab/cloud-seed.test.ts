import { mkdir, mkdtemp, readFile, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { makeAccess } from '#src/builder/keys.ts'
import { noCloudSeed } from '#src/builder/seed.ts'

const program = join(import.meta.dirname, 'cloud-seed/usr/lib/lab/cloud-seed')
const reader = `${program}.awk`
const key = `-----BEGIN OPENSSH PRIVATE KEY-----\n${`${'b3BlbnNzaC1rZXktdjEAAAA'.repeat(3)}\n`.repeat(4)}-----END OPENSSH PRIVATE KEY-----\n`
const document = {
  hostname: 'machine',
  ssh_keys: {
    ed25519_private: key,
    ed25519_public: `ssh-ed25519 ${'AAAAC3Nz'.repeat(8)} a comment - with words`,
  },
  users: [
    { name: 'it\'s: "odd"', ssh_authorized_keys: [`ssh-ed25519 ${'A'.repeat(64)} b`, 'ssh-rsa B'] },
    { name: 'two' },
  ],
  write_files: [
    {
      path: '/a',
      content: `#!/bin/sh\n\necho "${'long '.repeat(30)}" | cat\n  deeper\n\n\nlast\n`,
      permissions: '0755',
    },
    { path: '/b', content: 'without a newline at its end' },
  ],
  runcmd: [['echo', 'two words', '$HOME'], 'a line for the shell > /dev/null', ['one']],
}

describe('the stand-in for cloud-init', () => {
  test.each([
    ['as the factory writes it', { lineWidth: 0 }],
    ['with long lines folded', {}],
    ['with lists not indented', { indentSeq: false }],
  ])('reads a document %s', async (_how, options) => {
    const text = `#cloud-config\n${stringify(document, options)}`
    const { stdout } = await execa('mawk', ['-f', reader], { input: text, stripFinalNewline: false })
    expect(stdout.split('\n').slice(0, -1)).toEqual(flat('', document))
  })
})

test('what the reader cannot read ends it', async () => {
  const reading = execa('mawk', ['-f', reader], { input: '#cloud-config\nruncmd:\n  - [a, b]\n' })
  await expect(reading).rejects.toMatchObject({ exitCode: 1, stderr: 'cannot be read: [a, b]' })
})

test('the stand-in for cloud-init does what the factory writes into a seed, once for each instance', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'factory-seed-'))
  const root = join(directory, 'root')
  for (const folder of ['etc/ssh', 'root']) await mkdir(join(root, folder), { recursive: true })
  const users = 'root:x:0:0:root:/root:/bin/sh\nfedora:x:1000:1000::/home/fedora:/bin/sh\n'
  await writeFile(join(root, 'etc/passwd'), users)
  const access = await makeAccess(join(directory, 'keys'))
  const apply = async (instanceId: string, user = 'root') => {
    const seed = await noCloudSeed({ access, user, leaseMs: 90_000, instanceId })
    await writeFile(join(directory, 'user-data'), seed.userData)
    await writeFile(join(directory, 'meta-data'), seed.metaData)
    await execa('bash', [program], { env: { SEED_DIRECTORY: directory, SEED_ROOT: root } })
  }
  const written = (path: string) => readFile(join(root, path), 'utf8')

  await apply('one')
  expect(await written('etc/ssh/ssh_host_ed25519_key')).toBe(
    await readFile(access.hostPrivateKeyFile, 'utf8'),
  )
  expect((await stat(join(root, 'etc/ssh/ssh_host_ed25519_key'))).mode & 0o777).toBe(0o600)
  expect(await written('root/.ssh/authorized_keys')).toBe(`${access.authorizedKey}\n`)
  const { write_files: files } = parse((await readFile(join(directory, 'user-data'), 'utf8')).trim())
  expect(files).toHaveLength(3)
  for (const { path, content } of files) expect(await written(path)).toBe(content)
  expect((await stat(join(root, files[0].path))).mode & 0o777).toBe(0o755)
  expect(await written('run/lab/commands')).toBe('systemctl enable --now factory-end-of-lease.timer \n')

  await apply('one')
  expect(await written('root/.ssh/authorized_keys'), 'the same instance').toBe(`${access.authorizedKey}\n`)
  await writeFile(join(root, 'etc/ssh/ssh_host_ed25519_key'), 'another one by now')
  await apply('one')
  expect(await written('etc/ssh/ssh_host_ed25519_key')).toBe('another one by now')
  await apply('two')
  expect(await written('etc/ssh/ssh_host_ed25519_key')).toContain('OPENSSH PRIVATE KEY')
  expect(await written('root/.ssh/authorized_keys')).toBe(`${access.authorizedKey}\n`.repeat(2))

  await apply('three', 'fedora')
  expect(await written('home/fedora/.ssh/authorized_keys')).toBe(`${access.authorizedKey}\n`)
  expect(await written('etc/sudoers.d/90-seed-fedora')).toBe('fedora ALL=(ALL) NOPASSWD:ALL\n')
  expect((await stat(join(root, 'etc/sudoers.d/90-seed-fedora'))).mode & 0o777).toBe(0o440)
})

/** `path TAB value` for every value, newlines as the reader writes them, those at the end left out. */
function flat(path: string, value: unknown): string[] {
  if (typeof value !== 'object' || value === null) {
    return [`${path}\t${String(value).replace(/\n+$/, '').replaceAll('\n', '\u0001')}`]
  }
  return Object.entries(value).flatMap(([name, inner]) => flat(path === '' ? name : `${path}.${name}`, inner))
}
