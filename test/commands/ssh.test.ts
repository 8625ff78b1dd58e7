import { randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { makeAccess } from '#src/builder/keys.ts'
import type { BuilderRef } from '#src/builder/types.ts'
import { openJournal } from '#src/journal/journal.ts'
import { forgetKeys, keysDirectory } from '#src/release/lease-keys.ts'
import { makeWorkspace, type Workspace } from '#test/config/workspace.ts'
import { startSshServer } from '#test/servers/sshd.ts'

const launcher = new URL('../../src/launcher.js', import.meta.url).pathname
const release = '20261121.0'

/** A state directory whose journal says that this machine is rented. */
async function renting(ref: BuilderRef): Promise<Workspace> {
  const workspace = await makeWorkspace({
    'factory.yaml': `
image: { name: lab, containerfile: Containerfile }
disk: { builder: quay.io/a/bib:1 }
clouds: { lab: { kind: libvirt } }
builders: { x86_64: [lab] }
`,
  })
  using journal = openJournal(join(workspace.directory, '.factory'))
  const builds = [{ arch: 'x86_64', buildKey: 'b', why: 'first release' }] as const
  const facts = { key: 'k', owner: 'lab', imageName: 'lab', inputs: {}, destinations: [] }
  journal.append({ type: 'release-opened', release, ...facts, builds: [...builds] })
  const expires = new Date(Date.now() + 3_600_000).toISOString()
  const lease = { id: ref.leaseId, owner: 'lab', release, arch: ref.arch, expires }
  journal.append({ type: 'lease-taken', release, cloud: 'lab', lease, purpose: 'build', dataBytes: 1 })
  journal.append({ type: 'lease-acquired', release, ref })
  return workspace
}

function factorySsh(workspace: Workspace, ...words: string[]) {
  return execa(process.execPath, [launcher, 'ssh', 'x86_64', ...words], {
    cwd: workspace.directory,
    env: { FACTORY_HOME: '' },
    reject: false,
  })
}

test('a command runs on the rented builder with the keys of its lease', async () => {
  const leaseId = `x86-64-${randomBytes(5).toString('hex')}`
  try {
    const access = await makeAccess(await keysDirectory(leaseId))
    await using server = await startSshServer({ access })
    await using workspace = await renting({ ...server.ref, leaseId })
    expect(await factorySsh(workspace, '--', 'echo', 'two  words')).toMatchObject({ stdout: 'two  words' })
  } finally {
    await forgetKeys(leaseId)
  }
})

test('a builder whose keys are gone is not tried with new ones; what to do is said', async () => {
  const leaseId = `x86-64-${randomBytes(5).toString('hex')}`
  await using server = await startSshServer({ settings: ['LogLevel DEBUG1'] })
  await using workspace = await renting({ ...server.ref, leaseId })
  try {
    const { exitCode, stderr } = await factorySsh(workspace, '--', 'true')
    expect(exitCode).toBe(2)
    expect(stderr).toContain('[keys-gone]')
    expect(stderr).toContain('factory ssh x86_64 --give-back')
    expect(server.log()).not.toContain('Connection from')
    await expect(stat(await keysDirectory(leaseId))).rejects.toMatchObject({ code: 'ENOENT' })
  } finally {
    await forgetKeys(leaseId)
  }
})
