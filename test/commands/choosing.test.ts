import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { enterEngine } from '#src/journal/engine.ts'
import { openJournal } from '#src/journal/journal.ts'
import { makeWorkspace, type Workspace } from '#test/config/workspace.ts'
import { recordsOf } from './released.ts'

const launcher = new URL('../../src/launcher.js', import.meta.url).pathname

const configuration = `
image: { name: copr-builder, containerfile: gone/Containerfile }
disk: { builder: quay.io/a/bib:1 }
clouds: { hypervisor: { kind: libvirt, uri: ["qemu+ssh://a@one/system", "qemu+ssh://a@two/system"] } }
builders: { x86_64: [hypervisor] }
publish: [{ to: hypervisor }]
`
async function afterReleases(...names: string[]): Promise<Workspace> {
  const workspace = await makeWorkspace({ 'factory.yaml': configuration })
  using journal = openJournal(join(workspace.directory, '.factory'))
  journal.appendAll(names.flatMap((name) => recordsOf(name)))
  return workspace
}

async function factory(workspace: Workspace, ...words: string[]) {
  const env = { FACTORY_HOME: '' }
  return await execa(process.execPath, [launcher, ...words], { cwd: workspace.directory, env, reject: false })
}

test('promote, rollback and ignore say what they did, and factory images shows it', async () => {
  await using workspace = await afterReleases('20261101.1', '20261102.2')
  expect(await factory(workspace, 'promote', '20261101.1')).toMatchObject({
    exitCode: 0,
    stderr: expect.stringContaining('20261101.1 is promoted.') as string,
  })
  const second = await factory(workspace, 'promote', '20261102.2', '--why', 'a week on staging')
  expect(second.stderr).toContain('Before it was 20261101.1')
  const states = async () => {
    const { stdout } = await factory(workspace, 'images', '--json')
    const images = JSON.parse(stdout) as { release: string; state: string; region: string }[]
    return Object.fromEntries(images.map(({ release, region, state }) => [`${release} ${region}`, state]))
  }
  expect(await states()).toEqual({
    '20261102.2 one': 'promoted',
    '20261102.2 two': 'promoted',
    '20261101.1 one': 'previous',
    '20261101.1 two': 'previous',
  })
  expect((await factory(workspace, 'rollback')).stderr).toContain('20261101.1 is promoted again')
  expect((await factory(workspace, 'ignore', '20261102.2', '--why', 'no sshd')).exitCode).toBe(0)
  expect(await states()).toMatchObject({ '20261102.2 one': 'ignored', '20261101.1 one': 'promoted' })
})

test('a release that may not be promoted is refused with exit code 2 and the command that does it all the same', async () => {
  await using workspace = await afterReleases('20261101.1', '20261102.2')
  await factory(workspace, 'ignore', '20261102.2', '--why', 'no sshd')
  const { exitCode, stderr } = await factory(workspace, 'promote', '20261102.2')
  expect(exitCode).toBe(2)
  expect(stderr).toContain('it is ignored ("no sshd")')
  expect(stderr).toContain('promote 20261102.2 --force --why')
  expect((await factory(workspace, 'ignore', '20261101.1')).exitCode).toBe(2)
})

test('images --format ansible is YAML with one value where all hypervisors call it the same', async () => {
  await using workspace = await afterReleases('20261101.1', '20261102.2')
  const empty = await factory(workspace, 'images', '--format', 'ansible')
  expect(empty).toMatchObject({ exitCode: 2, stdout: '' })
  expect(empty.stderr).toContain('the channel promoted points to no release yet')
  await factory(workspace, 'promote', '20261101.1')
  const { stdout } = await factory(workspace, 'images', '--format', 'ansible')
  expect(stdout).toContain('# Release 20261101.1 (promoted)')
  expect(parse(stdout)).toEqual({
    copr_builder_images: { hypervisor: { x86_64: 'copr-builder-x86_64-20261101.1' } },
  })
  const named = ['images', '--format', 'ansible', '--channel', 'candidate', '--variable', 'pictures']
  expect(parse((await factory(workspace, ...named)).stdout)).toMatchObject({
    pictures: { hypervisor: { x86_64: 'copr-builder-x86_64-20261102.2' } },
  })
})

test('images --format stream of a release that was adopted says why there is none', async () => {
  await using workspace = await afterReleases('20261101.1')
  await factory(workspace, 'promote', '20261101.1')
  const { exitCode, stderr } = await factory(workspace, 'images', '--format', 'stream')
  expect(exitCode).toBe(2)
  expect(stderr).toContain('there is no release.json of 20261101.1')
})

test('while a release is being made, a choice is refused and nothing is written', async () => {
  await using workspace = await afterReleases('20261101.1')
  const state = join(workspace.directory, '.factory')
  const entered = enterEngine(state)
  if (!('engine' in entered)) throw new Error('the place of the engine is taken')
  using engine = entered.engine
  engine.journal.append({ type: 'release-resumed', release: '20261101.1' })
  const { exitCode, stderr } = await factory(workspace, 'promote', '20261101.1')
  expect(exitCode).toBe(2)
  expect(stderr).toContain(`a release is being made from this configuration (process ${process.pid})`)
  expect(engine.journal.state().channels.promoted).toBeUndefined()
})

test('gc says what is superfluous and why the rest stays, and which of it no cloud could be asked about', async () => {
  const names = ['20261101.1', '20261102.2', '20261103.3']
  await using workspace = await afterReleases(...names)
  await workspace.write(
    'factory.yaml',
    `${await readFile(join(workspace.directory, 'factory.yaml'), 'utf8')}retention: { keep: 1, minAge: 1ms }\n`,
  )
  const { stdout, stderr, exitCode } = await factory(workspace, 'gc', '--json')
  expect(stderr).toBe('')
  // Both hypervisors have names that lead nowhere.
  expect(exitCode).toBe(1)
  const { collected, kept } = JSON.parse(stdout) as {
    collected: { release: string; action: string }[]
    kept: unknown
  }
  expect(new Set(collected.map(({ action }) => action))).toEqual(new Set(['failed']))
  expect(kept).toEqual([{ release: '20261103.3', why: 'candidate' }])
  expect(collected.map(({ release }) => release)).toEqual(names.slice(0, 2).flatMap((name) => [name, name]))
  const told = await factory(workspace, 'gc')
  expect(told.stderr).toMatch(/Could not find out whether these are in use:\n.*hypervisor\/one: /)
  expect(told.stderr).not.toContain('gc --delete')
  const { stdout: after } = await factory(workspace, 'images', '--json')
  expect((JSON.parse(after) as { state: string }[]).map(({ state }) => state)).not.toContain('removed')
})
