import { readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { execa } from 'execa'
import { acceptedHostKeys, nextHostKey } from '#src/builder/host-keys.ts'
import { sshArguments } from '#src/builder/openssh.ts'
import { openBuilder } from '#src/builder/session.ts'
import type { BuilderRef } from '#src/builder/types.ts'
import { type SshServer, startSshServer } from '#test/servers/sshd.ts'
import { testContext } from './test-context.ts'

function exposed({ ref }: SshServer): BuilderRef {
  return { ...ref, hostKeyExposed: true }
}

async function openedOnce(server: SshServer): Promise<void> {
  const { hostKeyFile } = server
  await using builder = await openBuilder(exposed(server), server.access, testContext(), { hostKeyFile })
  expect((await builder.exec(['echo', 'here'])).stdout).toBe('here\n')
}

describe('a host key that others may have read', () => {
  test('is replaced at the first login, and from then on only the new one counts', async () => {
    await using server = await startSshServer()
    const { access, hostKeyFile } = server
    const given = await readFile(hostKeyFile, 'utf8')
    await openedOnce(server)
    const [accepted, ...others] = await acceptedHostKeys(exposed(server), access)
    expect(others).toEqual([])
    expect(accepted).not.toBe(access.hostPublicKey)
    const shown = await execa('ssh-keygen', ['-y', '-f', hostKeyFile])
    expect(shown.stdout.trim()).toBe(accepted)

    const ssh = await sshArguments(exposed(server), access)
    expect((await execa('ssh', [...ssh, 'echo', 'people too'])).stdout).toBe('people too')

    // Somebody who has read the first key stands in the machine's place.
    await server.stop()
    await writeFile(hostKeyFile, given)
    await server.start()
    const opening = openBuilder(exposed(server), access, testContext(), { hostKeyFile })
    await expect(opening).rejects.toMatchObject({ code: 'host-key-mismatch' })
    const refused = await execa('ssh', [...ssh, 'true'], { reject: false })
    expect(refused.stderr).toContain('Host key verification failed')
  })

  test('is replaced once: later logins find the new one and leave it', async () => {
    await using server = await startSshServer()
    await openedOnce(server)
    const first = await readFile(server.hostKeyFile, 'utf8')
    await openedOnce(server)
    expect(await readFile(server.hostKeyFile, 'utf8')).toBe(first)
  })

  test.each(['before the machine has the new key', 'after the machine has it'])(
    'a factory that was killed %s gets in again and finishes',
    async (when) => {
      await using server = await startSshServer()
      const { access, hostKeyFile } = server
      if (when.startsWith('before')) await nextHostKey(access)
      else {
        await openedOnce(server)
        await rm(join(dirname(access.privateKeyFile), 'host-replaced'))
      }
      expect(await acceptedHostKeys(exposed(server), access)).toHaveLength(2)
      await openedOnce(server)
      expect(await acceptedHostKeys(exposed(server), access)).toHaveLength(1)
      const shown = await execa('ssh-keygen', ['-y', '-f', hostKeyFile])
      expect([shown.stdout.trim()]).toEqual(await acceptedHostKeys(exposed(server), access))
    },
  )

  test('a running session goes on, also when its connection breaks', async () => {
    await using server = await startSshServer()
    const { access, hostKeyFile } = server
    await using builder = await openBuilder(exposed(server), access, testContext(), { hostKeyFile })
    expect(await server.cutConnections()).toBeGreaterThan(0)
    expect((await builder.exec(['echo', 'again'])).stdout).toBe('again\n')
  })

  test('is left alone where the machine got it over a trusted way', async () => {
    await using server = await startSshServer()
    const { access, hostKeyFile, ref } = server
    const given = await readFile(hostKeyFile, 'utf8')
    await using builder = await openBuilder(ref, access, testContext(), { hostKeyFile })
    expect(await readFile(hostKeyFile, 'utf8')).toBe(given)
    expect(await acceptedHostKeys(builder.ref, access)).toEqual([access.hostPublicKey])
  })
})
