import { chmod, mkdtemp, readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { git, withoutCredentials } from '#src/trigger/git.ts'
import { openGitSource } from '#src/trigger/git-source.ts'
import { startGit } from './git-server.ts'

const { signal } = new AbortController()
const files = { Containerfile: 'FROM scratch\n', 'files/run.sh': '#!/bin/sh\n' }

async function stateDirectory(): Promise<string> {
  return await mkdtemp(join(tmpdir(), 'state-'))
}

test('follows a branch over the network and checks its commits out, without .git and with the usual modes', async () => {
  await using server = await startGit(files)
  const state = await stateDirectory()
  const source = openGitSource({ url: server.url, ref: 'main' }, state)
  const first = await source.tip(signal)
  expect(await source.fetch(signal)).toBe(first)
  await chmod(join(server.directory, 'files/run.sh'), 0o755)
  const second = await server.commit({ 'files/more': 'x' })
  expect(await source.tip(signal)).toBe(second)
  expect(await source.fetch(signal)).toBe(second)
  expect(await source.changes(first, second, signal)).toEqual(['files/more', 'files/run.sh'])

  const umask = process.umask(0o077)
  try {
    await using checkout = await source.checkout(second, signal)
    expect((await readdir(checkout.directory, { recursive: true })).toSorted()).toEqual([
      'Containerfile',
      'files',
      'files/more',
      'files/run.sh',
    ])
    const modes = await Promise.all(
      ['files', 'files/more', 'files/run.sh'].map(async (name) => {
        return (await stat(join(checkout.directory, name))).mode & 0o777
      }),
    )
    expect(modes).toEqual([0o755, 0o644, 0o755])
    await using older = await source.checkout(first, signal)
    expect(await readdir(join(older.directory, 'files'))).toEqual(['run.sh'])
  } finally {
    process.umask(umask)
  }
  expect(await readdir(join(state, 'sources/checkouts'))).toEqual([])
})

test('takes a tag, annotated or not, for the commit behind it, and says when there is no such reference', async () => {
  await using server = await startGit(files)
  const commit = await server.git('rev-parse', 'HEAD')
  await server.git('tag', '--annotate', '--message', 'one', 'v1')
  await server.git('branch', 'other/main')
  const state = await stateDirectory()
  const tagged = openGitSource({ url: server.url, ref: 'v1' }, state)
  expect(await tagged.tip(signal)).toBe(commit)
  expect(await tagged.fetch(signal)).toBe(commit)
  await expect(openGitSource({ url: server.url, ref: 'mian' }, state).tip(signal)).rejects.toMatchObject({
    code: 'git-ref-missing',
    message: `${server.url} has no branch or tag "mian"`,
  })
})

test('goes on after a forced push, after a power cut that emptied the mirror, and with a checkout that a kill left', async () => {
  await using server = await startGit(files)
  const state = await stateDirectory()
  const before = openGitSource({ url: server.url, ref: 'main' }, state)
  const lost = await before.fetch(signal)
  const left = await before.checkout(lost, signal)
  await writeFile(join(left.directory, 'Containerfile'), '')

  const source = openGitSource({ url: server.url, ref: 'main' }, state)
  {
    await using checkout = await source.checkout(lost, signal)
    expect(await readFile(join(checkout.directory, 'Containerfile'), 'utf8')).toBe('FROM scratch\n')
  }
  await server.git('commit', '--quiet', '--amend', '--message', 'another')
  const forced = await source.fetch(signal)
  expect(forced).not.toBe(lost)
  expect(await source.changes('0'.repeat(40), forced, signal)).toBeUndefined()

  const [mirror = ''] = (await readdir(join(state, 'sources'))).filter((name) => name.endsWith('.git'))
  await writeFile(join(state, 'sources', mirror, 'HEAD'), '')
  await writeFile(join(state, 'sources', mirror, 'refs/watched/tip.lock'), '')
  await server.commit({ Containerfile: 'FROM other\n' })
  const mended = await source.fetch(signal)
  await using checkout = await source.checkout(mended, signal)
  expect(await readFile(join(checkout.directory, 'Containerfile'), 'utf8')).toBe('FROM other\n')
})

test('lets no reference, path or repository run a program', async () => {
  await using server = await startGit(files)
  const state = await stateDirectory()
  const marker = join(state, 'ran')
  for (const url of [
    `ext::touch ${marker}`,
    `--upload-pack=touch ${marker}`,
    `-oProxyCommand=touch ${marker}:x`,
  ]) {
    await expect(openGitSource({ url, ref: 'main' }, state).tip(signal)).rejects.toMatchObject({
      code: 'git-failed',
    })
  }
  const source = openGitSource({ url: server.url, ref: `--upload-pack=touch ${marker}` }, state)
  await expect(source.tip(signal)).rejects.toMatchObject({ code: 'git-ref-missing' })
  await expect(readFile(marker)).rejects.toMatchObject({ code: 'ENOENT' })
})

test('takes credentials out of what git says', () => {
  expect(withoutCredentials("unable to access 'https://token@example.org/x/': 403, http://a:b@c/")).toBe(
    "unable to access 'https://example.org/x/': 403, http://c/",
  )
  expect(withoutCredentials('git@example.org:images')).toBe('git@example.org:images')
})

test('ends a repository that never answers at the limit, and tells no credentials', async () => {
  const sockets: Socket[] = []
  const server = createServer((socket) => void sockets.push(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const url = `git://127.0.0.1:${port}/images`
  const asked = git({ what: 'git ls-remote', argv: ['ls-remote', url], signal, limitMs: 500 })
  await expect(asked).rejects.toMatchObject({ code: 'git-failed', class: 'timeout' })
  for (const socket of sockets) socket.destroy()
  await new Promise((resolve) => server.close(resolve))
  const secret = `http://user:geheim@127.0.0.1:${port}/images`
  const refused = git({ what: 'git ls-remote', argv: ['ls-remote', secret], signal, limitMs: 30_000 })
  await expect(refused).rejects.toMatchObject({
    class: 'infra',
    message: expect.not.stringContaining('geheim') as string,
  })
})
