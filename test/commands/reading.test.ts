import { utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import { openJournal } from '#src/journal/journal.ts'
import { makeWorkspace, type Workspace } from '#test/config/workspace.ts'

const launcher = new URL('../../src/launcher.js', import.meta.url).pathname
const release = '20261121.0'

const configuration = `
image: { name: lab, containerfile: gone/Containerfile, secrets: { token: gone/token } }
disk: { builder: quay.io/a/bib:1 }
clouds: { lab: { kind: libvirt } }
builders: { x86_64: [lab] }
publish: [{ to: lab }]
`

/** A release has been made, and then the Containerfile and the secret were moved away. */
async function afterRelease(): Promise<Workspace> {
  const workspace = await makeWorkspace({ 'factory.yaml': configuration })
  using journal = openJournal(join(workspace.directory, '.factory'))
  journal.append({
    type: 'release-opened',
    release,
    key: 'k',
    owner: 'lab',
    imageName: 'lab',
    inputs: {},
    builds: [{ arch: 'x86_64', buildKey: 'b', why: 'first release' }],
    destinations: [],
  })
  return workspace
}

function factory(workspace: Workspace, ...words: string[]) {
  return execa(process.execPath, [launcher, ...words], {
    cwd: workspace.directory,
    env: { FACTORY_HOME: '' },
    reject: false,
  })
}

describe('when the files that the configuration names are gone', () => {
  test.each([['status'], ['images'], ['logs'], ['status', release, '--json']])(
    'factory %s %s %s still reads what is known',
    async (...words) => {
      await using workspace = await afterRelease()
      expect(await factory(workspace, ...words)).toMatchObject({ exitCode: 0 })
    },
  )

  test('factory ssh still looks for a rented builder', async () => {
    await using workspace = await afterRelease()
    const { stderr } = await factory(workspace, 'ssh', 'x86_64')
    expect(stderr).toContain('[no-builder-rented]')
  })

  test.each(['plan', 'release'])('factory %s names them', async (command) => {
    await using workspace = await afterRelease()
    const { exitCode, stderr } = await factory(workspace, command)
    expect(exitCode).toBe(2)
    expect(stderr).toContain('gone/Containerfile')
    expect(stderr).toContain('gone/token')
  })

  test('other mistakes are said as ever', async () => {
    await using workspace = await afterRelease()
    await workspace.write('factory.yaml', configuration.replace('x86_64: [lab]', 'x86_64: [nowhere]'))
    const { exitCode, stderr } = await factory(workspace, 'status')
    expect(exitCode).toBe(2)
    expect(stderr).toContain('nowhere')
  })
})

test.each([
  ['status', 'no-such'],
  ['images', '--release', 'no-such'],
  ['logs', '--release', 'no-such'],
])('factory %s %s %s fails for a release that there is not', async (...words) => {
  await using workspace = await afterRelease()
  const { exitCode, stdout, stderr } = await factory(workspace, ...words)
  expect(exitCode).toBe(2)
  expect(stdout).toBe('')
  expect(stderr).toContain('there is no release no-such [release-unknown]')
  expect(stderr).toContain(release)
})

test('before the first release, one that is named is missing for that reason', async () => {
  await using workspace = await makeWorkspace({ 'factory.yaml': configuration })
  for (const words of [['status'], ['status', 'no-such']]) {
    const { exitCode, stderr } = await factory(workspace, ...words)
    expect(exitCode).toBe(2)
    expect(stderr).toMatch(/^error: there is no release yet \[release-unknown\]\n.*factory release/)
  }
})

describe('factory logs', () => {
  const directory = `.factory/releases/${release}/x86_64`

  test('shows the step logs, and the raw job logs only on --raw, with escapes written out', async () => {
    await using workspace = await afterRelease()
    await workspace.write(`${directory}/container.log`, 'password ***\n')
    const layers = await workspace.write(
      `${directory}/jobs/a-layers.log`,
      '\u001b]0;title\u0007\tpassword hunter2\r\nä\u009b31m\u202e',
    )
    const bases = await workspace.write(`${directory}/jobs/b-bases.log`, 'first\n')
    await workspace.write(`${directory}/jobs/a-layers.log.replaced`, 'damaged\n')
    await utimes(bases, 1, 1)

    const shown = await factory(workspace, 'logs', 'x86_64')
    expect(shown.stdout).toMatch(/container\.log <==\npassword \*\*\*/)
    expect(shown.stdout).not.toContain('hunter2')
    const raw = await factory(workspace, 'logs', 'x86_64', '--raw')
    expect(raw.stdout).toBe(
      `==> ${bases} <==\nfirst\n\n==> ${layers} <==\n^[]0;title^G\tpassword hunter2^M\nä\\u{9b}31m\\u{202e}`,
    )
  })

  test('does not take --raw and --step together: a job is not a step', async () => {
    await using workspace = await afterRelease()
    const { exitCode, stderr } = await factory(workspace, 'logs', '--raw', '--step', 'disks')
    expect(exitCode).toBe(2)
    expect(stderr).toContain('--raw')
  })
})
