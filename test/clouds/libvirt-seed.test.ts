import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { leaseUntilFile, noCloudSeed } from '#src/builder/seed.ts'
import { makeAccess } from '#src/builder/keys.ts'

async function makeSeed(user: string, leaseMs = 600_000) {
  const directory = await mkdtemp(join(tmpdir(), 'factory-seed-'))
  const access = await makeAccess(join(directory, 'keys'))
  const seed = await noCloudSeed({ access, user, leaseMs, instanceId: 'factory-x' })
  const privateKey = await readFile(access.hostPrivateKeyFile, 'utf8')
  const dispose = () => rm(directory, { recursive: true, force: true })
  return {
    directory,
    access,
    privateKey,
    seed,
    userData: parse(seed.userData),
    [Symbol.asyncDispose]: dispose,
  }
}

test('the seed gives the machine our host key and no other, and lets only our key in', async () => {
  await using made = await makeSeed('root')
  expect(made.seed.userData.split('\n')[0]).toBe('#cloud-config')
  expect(made.userData).toMatchObject({
    ssh_deletekeys: true,
    ssh_pwauth: false,
    disable_root: false,
    ssh_keys: { ed25519_private: made.privateKey, ed25519_public: made.access.hostPublicKey },
    ssh_authorized_keys: [made.access.authorizedKey],
    users: [],
  })
  expect(parse(made.seed.metaData)).toEqual({ 'instance-id': 'factory-x' })
})

test('another user than root gets the key and sudo, and root gets no key', async () => {
  await using made = await makeSeed('fedora')
  expect(made.userData.ssh_authorized_keys).toBeUndefined()
  expect(made.userData.users).toMatchObject([
    { name: 'fedora', sudo: 'ALL=(ALL) NOPASSWD:ALL', ssh_authorized_keys: [made.access.authorizedKey] },
  ])
})

test.each([
  ['goes on while the lease runs', 10 ** 9, undefined, ''],
  ['is powered off when the lease is over', 'now', undefined, 'poweroff --no-block'],
  ['is forced off when that did not help for a minute', 1, undefined, 'poweroff --force --force'],
  ['goes on when the lease was prolonged', 1, 10 ** 9, ''],
  ['is powered off when the prolonged lease is over', 10 ** 9, 1, 'poweroff --force --force'],
  ['takes an unreadable prolongation for none', 1, 'soon', 'poweroff --force --force'],
] as const)('a machine %s', async (_name, leaseSeconds, prolonged, called) => {
  const uptime = Math.floor(Number((await readFile('/proc/uptime', 'utf8')).split(' ')[0]))
  const seconds = leaseSeconds === 'now' ? uptime : leaseSeconds
  await using made = await makeSeed('root', seconds * 1000)
  const { directory, userData } = made
  const leaseUntil = join(directory, 'lease-until')
  if (prolonged !== undefined) await writeFile(leaseUntil, `${prolonged}\n`)
  await mkdir(join(directory, 'bin'))
  await writeFile(join(directory, 'bin/systemctl'), `#!/bin/sh\necho "$@" >> '${directory}/called'\n`)
  await chmod(join(directory, 'bin/systemctl'), 0o755)
  await writeFile(join(directory, 'called'), '')
  const check = userData.write_files[0].content.replaceAll(leaseUntilFile, leaseUntil)
  const script = check.replaceAll('/dev/console', join(directory, 'console'))
  await execa('sh', ['-c', script], { env: { PATH: `${directory}/bin:/usr/bin:/bin` } })
  expect((await readFile(join(directory, 'called'), 'utf8')).trim()).toBe(called)
})

test('the timer runs the check and survives a restart of the machine', async () => {
  await using made = await makeSeed('root')
  const [script, service, timer] = made.userData.write_files
  expect(service.content).toContain(`ExecStart=/bin/sh ${script.path}`)
  expect(timer.content).toMatch(/OnBootSec=15\nOnUnitActiveSec=15/)
  const unit = timer.path.split('/').at(-1)
  expect(made.userData.runcmd.at(-1)).toEqual(['systemctl', 'enable', '--now', unit])
})
