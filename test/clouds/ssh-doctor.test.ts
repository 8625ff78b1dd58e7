import { copyFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { readQuarantines } from '#clouds/quarantine.ts'
import type { Cloud, Finding } from '#clouds/types.ts'
import { newLease, testContext } from '#test/contract/cloud.ts'
import { createSshFixture } from './ssh-fixture.ts'

async function findings(cloud: Cloud): Promise<Finding[]> {
  const found: Finding[] = []
  for await (const finding of cloud.doctor(testContext())) found.push(finding)
  return found
}

test('every host is looked at afresh; one that is well comes out of quarantine, one that is not goes in', async () => {
  await using fixture = await createSshFixture({ count: 3, slots: 2 })
  const [well, down, changed] = fixture.hosts
  const cloud = await fixture.open()
  const lease = newLease('somebody', 'x86_64')
  const others = await fixture.openWith({
    owner: 'somebody',
    hosts: [well!],
    stateDirectory: `${fixture.directory}/2`,
  })
  await others.builders!.acquire(fixture.spec, lease, testContext())
  await down!.die()
  await changed!.changeHostKey()
  const first = await findings(cloud)
  expect(first.map(({ severity }) => severity)).toEqual(['ok', 'warning', 'warning'])
  expect(first[0]!.message).toContain(`1 of 2 slots taken: ${lease.id} of somebody until ${lease.expires}`)
  expect(first[1]).toMatchObject({ subject: expect.stringContaining(String(down!.port)) })
  expect(first[1]!.message).toContain('did not answer over SSH')
  expect(first[2]!.message).toContain('does not have the host key')
  const left = () => readQuarantines(join(fixture.stateDirectory, 'clouds', 'standing'))
  expect((await left()).map(({ code }) => code).toSorted()).toEqual(['host-key-mismatch', 'host-unreachable'])

  await down!.boot()
  const second = await findings(cloud)
  expect(second.map(({ severity }) => severity)).toEqual(['ok', 'ok', 'warning'])
  expect(second[1]!.message).toMatch(/it was left out since .* and is used again/)
  expect(second[2]!.message).toMatch(/; left out since /)
  expect((await left()).map(({ failures }) => failures)).toEqual([2])

  // What is no longer in the configuration is not shown as left out for ever.
  const fewer = await fixture.openWith({ hosts: [well!, down!] })
  expect((await findings(fewer)).map(({ severity }) => severity)).toEqual(['ok', 'ok'])
  expect(await left()).toEqual([])
  await others.builders!.release(lease.id, testContext())
})

test('where no host of an architecture is well, that is an error; also a key that is none', async () => {
  await using fixture = await createSshFixture()
  await fixture.hosts[0]!.lie('uname', 'echo ppc64le')
  const cloud = await fixture.open()
  expect(await findings(cloud)).toMatchObject([
    { severity: 'error', message: expect.stringContaining('it is ppc64le and not x86_64') },
  ])
  const { privateKeyFile } = fixture.hosts[0]!.access
  const told = async (message: string) =>
    expect(await findings(cloud)).toMatchObject([
      {
        severity: 'error',
        message: expect.stringContaining(message),
        hint: expect.stringContaining('ssh-keygen'),
      },
    ])
  await copyFile(`${privateKeyFile}.pub`, privateKeyFile)
  await told('is no private key')
  await writeFile(privateKeyFile, 'nonsense')
  await told('cannot be used: Unsupported key format')
  await rm(privateKeyFile)
  await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', 'a passphrase', '-f', privateKeyFile])
  await told('cannot be used: Encrypted private OpenSSH key')
})
