import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { listContext } from '#src/builder/context.ts'
import { openBuilder } from '#src/builder/session.ts'
import type { Builder } from '#src/builder/types.ts'
import { containerRequest, sendSources } from '#src/release/container-step.ts'
import type { ReleaseInputs } from '#src/release/inputs.ts'
import { testContext } from '#test/builder/test-context.ts'
import { type SshServer, startSshServer } from '#test/servers/sshd.ts'
import { configuration, inputs } from './planning.ts'

const containerfileText = 'FROM quay.io/a/base:1\nCOPY . /\n'

interface Sources {
  local: string
  read(): Promise<ReleaseInputs>
  send(read: ReleaseInputs): Promise<void>
  /** Where the build is told to look for its context. */
  remote(read: ReleaseInputs): string
}

/** Sources with one file and one secret, sent by an engine that opens the builder anew each time. */
async function sources(server: SshServer): Promise<Sources> {
  const local = join(server.directory, 'local')
  const token = join(server.directory, 'token')
  await mkdir(local)
  await writeFile(join(local, 'file'), 'first')
  await writeFile(token, 'hush')
  const source = {
    kind: 'containerfile',
    containerfile: join(local, 'Containerfile'),
    context: local,
    buildArgs: {},
    secrets: { token },
  } as const
  const settings = configuration({ image: { name: 'lab', source } })
  const scope = { configuration: settings, stateDirectory: '/state', release: '1', now: Date.now }
  return {
    local,
    read: async () => ({ ...inputs(), containerfileText, context: await listContext(local) }),
    async send(read) {
      await using builder = await openBuilder(server.ref, server.access, testContext())
      await sendSources(scope, read, below(server.directory, builder), testContext())
    },
    remote(read) {
      const { contextDirectory } = containerRequest(scope, read, {
        arch: 'x86_64',
        jobId: 'j',
        identity: 'i',
      })
      return join(server.directory, contextDirectory ?? 'none')
    },
  }
}

/** A builder whose places lie below a directory, for here it is the machine that the tests run on. */
function below(directory: string, builder: Builder): Builder {
  const moved = (word: string) => (/^\/(var\/lib\/factory|run)\//.test(word) ? join(directory, word) : word)
  return {
    ...builder,
    exec: (argv, options) => builder.exec(argv.map(moved), options),
    writeFile: (path, content, mode) => builder.writeFile(moved(path), content, mode),
    sendTree: (local, paths, remote) => builder.sendTree(local, paths, moved(remote)),
  }
}

test('a resume leaves the context alone that its build may be reading, and repeats the rest', async () => {
  await using server = await startSshServer()
  const { read, send, remote } = await sources(server)
  const planned = await read()
  await send(planned)
  const before = await stat(remote(planned))
  const file = await stat(join(remote(planned), 'file'))

  await send(planned)
  expect((await stat(remote(planned))).ino).toBe(before.ino)
  expect((await stat(join(remote(planned), 'file'))).ino).toBe(file.ino)
  const work = join(server.directory, 'var/lib/factory/work')
  expect(await readFile(join(work, 'Containerfile'), 'utf8')).toBe(containerfileText)
  expect(await readdir(work)).toHaveLength(2)
  expect(await readFile(join(server.directory, 'run/factory/secrets/token'), 'utf8')).toBe('hush')
})

test('a context of another digest is sent beside it', async () => {
  await using server = await startSshServer()
  const { local, read, send, remote } = await sources(server)
  const first = await read()
  await send(first)
  await writeFile(join(local, 'file'), 'second')
  const second = await read()
  await send(second)
  expect(await readFile(join(remote(first), 'file'), 'utf8')).toBe('first')
  expect(await readFile(join(remote(second), 'file'), 'utf8')).toBe('second')
})

test('a context that was half sent is sent again, and the half is removed', async () => {
  await using server = await startSshServer()
  const { read, send, remote } = await sources(server)
  const planned = await read()
  for (const half of ['.0123abcd', '.0123abcd.partial']) {
    await mkdir(`${remote(planned)}${half}`, { recursive: true })
    await writeFile(join(`${remote(planned)}${half}`, 'file'), 'fi')
  }
  await send(planned)
  expect(await readFile(join(remote(planned), 'file'), 'utf8')).toBe('first')
  const names = await readdir(join(remote(planned), '..'))
  expect(names.filter((name) => name.startsWith('context'))).toHaveLength(1)
})

test('a context that changed while it was sent never bears the name of what was planned', async () => {
  await using server = await startSshServer()
  const { local, read, send, remote } = await sources(server)
  const planned = await read()
  await writeFile(join(local, 'file'), 'second')
  await expect(send(planned)).rejects.toMatchObject({ code: 'context-changed' })
  await writeFile(join(local, 'file'), 'first')
  await send(planned)
  expect(await readFile(join(remote(planned), 'file'), 'utf8')).toBe('first')
})
