import { mkdtemp, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { cloudConfigurations, openCloud } from '#clouds/index.ts'
import { hostsOf } from '#clouds/ssh/hosts.ts'

const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKQ9lxJ0hPBkVLKEGhQRy6aMFLWWjLLIwyV6qtDbdQsV'
const host = { address: 'z1.example.org', hostKey: key }

function problems(change: object): string[] {
  const parsed = cloudConfigurations.ssh.safeParse({ kind: 'ssh', hosts: { s390x: [host] }, ...change })
  return parsed.error?.issues.map(({ path, message }) => `${path.join('.')} ${message}`) ?? []
}

const withHost = (change: object) => problems({ hosts: { s390x: [{ ...host, ...change }] } })

test('a host needs an address and its key, nothing else', () => {
  expect(problems({})).toEqual([])
  const configuration = cloudConfigurations.ssh.parse({ kind: 'ssh', hosts: { s390x: [host] } })
  expect(hostsOf('standing', configuration)).toEqual([
    {
      name: 'z1.example.org',
      arch: 's390x',
      slots: 1,
      ref: {
        leaseId: 'none',
        arch: 's390x',
        machine: 'z1.example.org',
        address: { host: 'z1.example.org', port: 22 },
        user: 'root',
        hostPublicKey: key,
      },
      login: { privateKeyFile: join(homedir(), '.ssh/id_ed25519') },
    },
  ])
})

test('what a host says of itself goes before what is said of all', () => {
  const other = {
    ...host,
    address: '2001:db8::1',
    port: 2222,
    user: 'builder',
    identityFile: '/keys/z',
    slots: 3,
  }
  const hosts = { s390x: [{ ...host, hostKey: `${key} root@z1` }], x86_64: [other] }
  const configuration = cloudConfigurations.ssh.parse({
    kind: 'ssh',
    user: 'admin',
    identityFile: '~/z',
    hosts,
  })
  const found = hostsOf('standing', configuration)
  expect(found.map(({ name, slots, ref, login }) => [name, slots, ref.user, login.privateKeyFile])).toEqual([
    ['[2001:db8::1]:2222', 3, 'builder', '/keys/z'],
    ['z1.example.org', 1, 'admin', join(homedir(), 'z')],
  ])
  expect(found[1]!.ref.hostPublicKey).toBe(key)
})

test('hosts behind a jump host are reached through it, under their own address and key', () => {
  const hosts = { s390x: [{ ...host, address: '2001:db8::1', port: 2222 }] }
  const configuration = cloudConfigurations.ssh.parse({ kind: 'ssh', jump: 'me@gate:2022', hosts })
  const [{ ref } = { ref: undefined }] = hostsOf('standing', configuration)
  expect(ref!.hostPublicKey).toBe(key)
  expect(ref!.address).toMatchObject({ host: '2001:db8::1', port: 2222 })
  const words = ref!.address.proxyCommand!.join(' ')
  expect(words).toMatch(/^ssh .*-p 2022 -W \[2001:db8::1\]:2222 -- me@gate$/)
})

test('what cannot be is refused before any host is asked', () => {
  expect(withHost({ hostKey: undefined })).toHaveLength(1)
  expect(withHost({ hostKey: 'ssh-rsa AAAA' })[0]).toContain('is no ed25519 host key: write the line')
  expect(withHost({ hostKey: key.slice(0, -1) })[0]).toContain('it was cut off or mistyped')
  expect(withHost({ hostKey: `${key}\nssh-ed25519` })[0]).toContain('it was cut off or mistyped')
  expect(withHost({ hostKey: key.replace('C3Nz', 'C3Na') })[0]).toContain('it was cut off or mistyped')
  expect(withHost({ address: '-oProxyCommand=x' })[0]).toContain('is neither the name of a host')
  expect(withHost({ address: 'z1:22' })[0]).toContain('the port stands beside it')
  expect(withHost({ slots: 0 })).toHaveLength(1)
  expect(withHost({ user: 'a b' })[0]).toContain('is no user name')
  expect(withHost({ identityFile: 'keys/z' })[0]).toContain('is no absolute path')
  expect(withHost({ knownHosts: '/x' })).toHaveLength(1)
  expect(problems({ hosts: { s390x: [] } })[0]).toContain('names no host')
  expect(problems({ waitFor: '2d' })[0]).toContain('is no duration up to 12h')
  expect(problems({ waitFor: '0s' })).toEqual([])
  expect(problems({ authorizedKeys: 'a b' })[0]).toContain('is no path')
  for (const directory of ['/factory', 'var/lib/x', '/var/lib/../x', '/var/lib/a b', '/srv/"x"', '/srv/x/']) {
    expect(problems({ directory })[0]).toContain('is no absolute path of plain names')
  }
  for (const directory of [
    '/root/factory',
    '/var/lib/containers/factory',
    '/tmp/factory',
    '/run/factory/x',
  ]) {
    expect(problems({ directory })[0]).toContain('may not lie below')
  }
  expect(problems({ directory: '/var/lib/factory-slots' })).toEqual([])
})

test('a host is named once, or its slots would be counted twice', async () => {
  const stateDirectory = await mkdtemp(join(tmpdir(), 'ssh-config-'))
  const configuration = cloudConfigurations.ssh.parse({ kind: 'ssh', hosts: { s390x: [host, host] } })
  const opened = openCloud('standing', configuration, { owner: 'test', stateDirectory })
  await expect(opened).rejects.toMatchObject({ code: 'host-named-twice', class: 'user' })
  await rm(stateDirectory, { recursive: true })
})

test('hosts take no images and boot none', async () => {
  const stateDirectory = await mkdtemp(join(tmpdir(), 'ssh-config-'))
  const configuration = cloudConfigurations.ssh.parse({ kind: 'ssh', hosts: { s390x: [host] } })
  const { builders, images } = await openCloud('standing', configuration, { owner: 'test', stateDirectory })
  expect(images).toBeUndefined()
  expect(builders!.offers('s390x')).toEqual({ ok: true })
  expect(builders!.offers('x86_64')).toMatchObject({ reason: expect.stringContaining('hosts.x86_64') })
  expect(builders!.offers('s390x', 'lab')).toMatchObject({ ok: false })
  await rm(stateDirectory, { recursive: true })
})
