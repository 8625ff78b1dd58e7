import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Configuration, ContainerfileSource } from '#src/config/types.ts'
import { readInputs } from '#src/release/inputs.ts'
import { containerfileRule } from '#src/trigger/containerfile.ts'
import { openGitSource } from '#src/trigger/git-source.ts'
import { configuredRules } from '#src/trigger/rules.ts'
import { checkedOut, commitOf, configurationOf, sourcesFor } from '#src/trigger/sources.ts'
import type { Look } from '#src/trigger/types.ts'
import { testContext } from '#test/registry/context.ts'
import { configuration } from '#test/release/planning.ts'
import { type GitServer, startGit } from './git-server.ts'
import { memoryJournal } from './memory-journal.ts'

const { signal } = new AbortController()
const files = {
  'README.md': 'images\n',
  'deploy/factory.yaml': 'image: {}\n',
  'deploy/image/Containerfile': 'FROM scratch\nCOPY files /\n',
  'deploy/image/.containerignore': 'notes\n',
  'deploy/image/files/motd': 'hello\n',
  'deploy/image/notes/todo': 'everything\n',
  'deploy/config.toml': '[customizations]\n',
}

function configured(server: GitServer, stateDirectory: string): Configuration {
  return configuration({
    stateDirectory,
    image: {
      name: 'lab',
      source: {
        kind: 'containerfile',
        containerfile: '/deploy/image/Containerfile',
        context: '/deploy/image',
        buildArgs: {},
        secrets: { token: '/deploy/token' },
      },
    },
    disk: { builders: {}, rootfs: 'xfs', config: '/deploy/config.toml' },
    rebuild: {
      timezone: 'UTC',
      watch: ['containerfile'],
      git: { url: server.url, ref: 'main', directory: 'deploy' },
      everyMs: 300_000,
      pauseAfter: 3,
    },
  })
}

async function watched(server: GitServer, changes: Partial<ContainerfileSource> = {}) {
  const state = await mkdtemp(join(tmpdir(), 'state-'))
  const plain = configured(server, state)
  const { source: written, ...image } = plain.image
  const all = { ...plain, image: { ...image, source: { ...written, ...changes } as ContainerfileSource } }
  const source = openGitSource({ url: server.url, ref: 'main' }, state)
  const rule = containerfileRule(all, source)
  const journal = memoryJournal(() => 0)
  /** Looks, and writes down what came of it as the loop does. */
  const look = async (outcome: 'released' | 'skipped' = 'released'): Promise<Look> => {
    const found = await rule.look(journal.state(), 0, signal)
    for (const seen of found.seen ?? []) journal.append({ type: 'source-seen', rule: rule.name, ...seen })
    if (found.due) {
      const { tick, why, seen = [] } = found.due
      journal.append({ type: 'tick-taken', rule: rule.name, tick, why, seen })
      journal.append({ type: 'tick-done', rule: rule.name, tick, outcome })
    }
    return found
  }
  return { source, rule, journal, look, configuration: all }
}

test('only notes the first commit, and makes a tick of one that changes the Containerfile, its context or the config.toml', async () => {
  await using server = await startGit(files)
  const { look, source } = await watched(server)
  expect((await look()).due).toBeUndefined()
  expect(await look()).toEqual({})
  for (const [name, content] of [
    ['deploy/image/Containerfile', 'FROM scratch\n'],
    ['deploy/image/files/motd', 'good morning\n'],
    ['deploy/image/.containerignore', 'notes\n*.bak\n'],
    ['deploy/config.toml', ''],
  ] as const) {
    const commit = await server.commit({ [name]: content })
    const { due } = await look()
    expect(due, name).toMatchObject({ rule: 'containerfile', why: expect.stringContaining(name) as string })
    expect(due?.nothingChanged).toBeUndefined()
    expect(commitOf(due!, source)).toBe(commit)
    expect(await look()).toEqual({})
  }
})

test('shows a commit that touches nothing that is built as a tick where nothing changed', async () => {
  await using server = await startGit(files)
  const { look } = await watched(server)
  await look()
  const commit = await server.commit({
    'README.md': 'new\n',
    'deploy/image/notes/todo': 'nothing\n',
    'deploy/factory.yaml': '',
  })
  const { due } = await look()
  expect(due?.nothingChanged).toBe('nothing that is built differs')
  expect(due?.why).toContain(
    `to ${commit.slice(0, 12)}: README.md, deploy/factory.yaml, deploy/image/notes/todo`,
  )
  expect(await look()).toEqual({})
})

test('leaves the configuration out of the context, as a release of the files here does', async () => {
  await using server = await startGit(files)
  const { look, source, configuration: all } = await watched(server, { context: '/deploy' })
  await look()
  const commit = await server.commit({ 'deploy/factory.yaml': 'another: {}\n' })
  expect((await look()).due?.nothingChanged).toBeDefined()
  await using sources = await checkedOut(all, source, commit, signal)
  const registry = { resolve: () => Promise.reject(new Error('nothing is asked')) }
  const { context } = await readInputs(sources.configuration, { registry }, testContext())
  expect(context?.paths).toContain('image/Containerfile')
  expect(context?.paths).not.toContain('factory.yaml')
})

test('makes a tick for every move of a branch that goes back and forth, and again for one that was skipped', async () => {
  await using server = await startGit(files)
  const { look } = await watched(server)
  await look()
  const ticks: (string | undefined)[] = []
  await server.commit({ 'deploy/config.toml': 'a' })
  ticks.push((await look('skipped')).due?.tick, (await look()).due?.tick)
  await server.git('branch', 'b')
  for (const target of ['HEAD~1', 'b', 'b~1']) {
    await server.git('reset', '--quiet', '--hard', target)
    ticks.push((await look()).due?.tick)
  }
  expect(ticks).not.toContain(undefined)
  expect(new Set(ticks).size).toBe(ticks.length)
})

test('makes a tick of a commit that cannot be built, so that the failure is seen', async () => {
  await using server = await startGit(files)
  const { look, source, configuration: all } = await watched(server)
  await look()
  await server.commit({ 'deploy/image/Containerfile': null })
  const missing = (await look()).due
  expect(missing?.nothingChanged).toBeUndefined()
  await expect(checkedOut(all, source, commitOf(missing!, source)!, signal)).rejects.toMatchObject({
    code: 'containerfile-missing',
  })
  await server.commit({ 'deploy/image/Containerfile': '-> /etc/hostname' })
  const outside = (await look()).due
  await expect(checkedOut(all, source, commitOf(outside!, source)!, signal)).rejects.toMatchObject({
    code: 'sources-outside',
  })
})

test('gives a release the sources of the commit and everything else of this machine', async () => {
  await using server = await startGit(files)
  const { source, configuration: all } = await watched(server)
  const commit = await source.fetch(signal)
  await using sources = await checkedOut(all, source, commit, signal)
  const { image, disk, ...rest } = sources.configuration
  expect(rest).toMatchObject({ file: all.file, stateDirectory: all.stateDirectory, clouds: all.clouds })
  expect(image.source).toMatchObject({ secrets: { token: '/deploy/token' } })
  expect(disk.config).toBe(join(all.stateDirectory, 'sources/checkouts', commit, 'deploy/config.toml'))
  const registry = { resolve: () => Promise.reject(new Error('nothing is asked')) }
  const inputs = await readInputs(sources.configuration, { registry }, testContext())
  expect(inputs.containerfileText).toBe(files['deploy/image/Containerfile'])
  expect(inputs.diskConfig).toBe(files['deploy/config.toml'])
  expect(inputs.git).toEqual({ commit, dirty: false, remote: server.url })
  expect(inputs.context?.paths).toEqual(['.containerignore', 'Containerfile', 'files', 'files/motd'])
})

test('makes the release of a tick from its commit, of any other from the newest, and of none from the files here', async () => {
  await using server = await startGit(files)
  const { source, configuration: all } = await watched(server)
  const commit = await source.fetch(signal)
  const newest = await server.commit({ 'deploy/config.toml': 'newer' })
  const seen = [{ source: source.name, value: commit }]
  for (const [due, expected] of [
    [{ rule: 'containerfile', tick: '1', why: '', seen }, commit],
    [{ rule: 'hand', tick: '2', why: '' }, newest],
  ] as const) {
    await using sources = await sourcesFor(due, all, source, signal)
    expect(sources.configuration.sources?.commit).toBe(expected)
  }
  const due = { rule: 'hand', tick: '3', why: '' } as const
  await using here = await sourcesFor(due, all, undefined, signal)
  expect(here.configuration).toBe(all)
})

test('makes the rules that are asked for, and watches the images of the newest commit', async () => {
  await using server = await startGit({ ...files, 'deploy/image/Containerfile': 'FROM quay.io/a/base:1\n' })
  const { source, configuration: all } = await watched(server)
  const asked: string[] = []
  const parts = {
    registry: { digest: async (reference: string) => (asked.push(reference), `sha256:${'a'.repeat(64)}`) },
    now: () => 0,
    sleep: () => Promise.resolve(),
    log: () => undefined,
  }
  const rebuild = {
    ...all.rebuild,
    cron: '0 4 * * 1',
    inactivityMs: 86_400_000,
    watch: ['containerfile', 'base'] as const,
  }
  const rules = configuredRules({ ...all, rebuild }, source, parts)
  expect(rules.map(({ name }) => name)).toEqual(['cron', 'inactivity', 'containerfile', 'base'])
  expect(configuredRules({ ...all, rebuild: { ...all.rebuild, watch: [] } }, source, parts)).toEqual([])
  const state = memoryJournal(() => 0).state()
  await rules[3]?.look(state, 0, signal)
  await server.commit({ 'deploy/image/Containerfile': 'FROM quay.io/a/base:2\n' })
  await rules[3]?.look(state, 0, signal)
  expect(asked).toEqual(['quay.io/a/base:1', 'quay.io/a/base:2'])
})

test('leaves a config.toml of this machine, named by its absolute path, where it is', () => {
  const all = configuration({
    disk: { builders: {}, rootfs: 'xfs', config: '/etc/bib.toml' },
    rebuild: { ...configuration().rebuild, git: { url: '/x', ref: 'main', directory: '.' } },
  })
  const { disk } = configurationOf(all, { commit: 'c', remote: '/x', root: '/deploy/.factory/sources/c' })
  expect(disk.config).toBe('/etc/bib.toml')
})
