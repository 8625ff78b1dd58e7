import { chmod, mkdir, readFile, readdir, readlink, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { listContext } from '#src/builder/context.ts'
import { openBuilder } from '#src/builder/session.ts'
import { eventually, startSshServer } from '#test/servers/sshd.ts'
import { testContext } from './test-context.ts'

test('a tree arrives with its names, modes and links, and nothing that was there before', async () => {
  await using server = await startSshServer()
  await using builder = await openBuilder(server.ref, server.access, testContext())
  const local = join(server.directory, 'local')
  const remote = join(server.directory, 'remote dir/context')
  const names = [
    'plain',
    'with space',
    'new\nline',
    "it's",
    '-rf',
    '--to-command=id',
    '$(id)',
    'ümlaut',
    '*',
    '#x',
    'a\\b',
  ]
  await mkdir(join(local, 'sub dir/empty'), { recursive: true })
  for (const name of names) await writeFile(join(local, name), name)
  await writeFile(join(local, 'sub dir/script'), '#!/bin/sh\n')
  await chmod(join(local, 'sub dir/script'), 0o755)
  await symlink('sub dir/script', join(local, 'link'))
  await writeFile(join(local, 'unlisted'), 'stays here')
  await mkdir(remote, { recursive: true })
  await writeFile(join(remote, 'old'), '')

  const paths = (await listContext(local)).paths.filter((path) => path !== 'unlisted')
  await builder.sendTree(local, paths, remote)

  expect((await readdir(remote)).toSorted()).toEqual([...names, 'link', 'sub dir'].toSorted())
  for (const name of names) expect(await readFile(join(remote, name), 'utf8')).toBe(name)
  expect((await stat(join(remote, 'sub dir/script'))).mode & 0o777).toBe(0o755)
  expect(await readlink(join(remote, 'link'))).toBe('sub dir/script')
  expect(await readdir(join(remote, 'sub dir/empty'))).toEqual([])
  await builder.sendTree(local, [], remote)
  expect(await readdir(remote)).toEqual([])
})

test('a connection cut in the middle only makes it start again', async () => {
  await using server = await startSshServer()
  await using builder = await openBuilder(server.ref, server.access, testContext())
  const local = join(server.directory, 'local')
  const remote = join(server.directory, 'remote')
  await mkdir(local)
  for (const i of [1, 2, 3, 4]) await execa('truncate', ['-s', '150M', join(local, `file${i}`)])
  const sending = builder.sendTree(local, (await listContext(local)).paths, remote)
  await eventually('the first file', () =>
    stat(join(server.directory, 'remote.partial/file1')).catch(() => undefined),
  )
  await server.cutConnections()
  await sending
  expect((await readdir(remote)).toSorted()).toEqual(['file1', 'file2', 'file3', 'file4'])
  expect((await stat(join(remote, 'file4'))).size).toBe(150 * 1024 * 1024)
})

test('a file that went away meanwhile is named', async () => {
  await using server = await startSshServer()
  await using builder = await openBuilder(server.ref, server.access, testContext())
  const local = join(server.directory, 'local')
  await mkdir(local)
  await writeFile(join(local, 'here'), '')
  const sending = builder.sendTree(local, ['gone', 'here'], join(server.directory, 'remote'))
  await expect(sending).rejects.toMatchObject({
    code: 'context-changed',
    message: expect.stringContaining('gone'),
  })
})
