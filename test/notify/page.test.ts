import { readFile } from 'node:fs/promises'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { loadConfiguration } from '#src/config/load.ts'
import { occasions } from '#src/config/operation.ts'
import { starterFile } from '#src/config/starter.ts'
import { makeWorkspace } from '#test/config/workspace.ts'
import { startHttpReceiver } from '#test/servers/http-receiver.ts'
import { makeScene, notice } from './scene.ts'

const page = await readFile(new URL('../../docs/notify.md', import.meta.url), 'utf8')

function blocks(language: string): string[] {
  return [...page.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs'))].map((match) => match[1]!)
}

test('every configuration on docs/notify.md loads, and each kind has one', async () => {
  const kinds: string[] = []
  for (const yaml of blocks('yaml')) {
    const files = { 'factory.yaml': `${starterFile}\n${yaml}`, Containerfile: 'FROM scratch\n' }
    await using workspace = await makeWorkspace(files)
    const { notify } = await loadConfiguration(undefined, workspace.directory, {})
    kinds.push(...notify.map(({ kind }) => kind))
  }
  expect(kinds.toSorted()).toEqual(['email', 'matrix', 'slack', 'webhook'])
})

test('docs/notify.md explains every occasion', () => {
  expect([...page.matchAll(/^\| `([a-z-]+)` \|/gm)].map((match) => match[1])).toEqual([...occasions])
})

test('the body on docs/notify.md is what a webhook gets, and its check of the signature is right', async () => {
  await using server = await startHttpReceiver(() => ({ status: 204 }))
  const secrets = { url: server.origin, secret: 'gehëim\n' }
  await using scene = await makeScene([{ kind: 'webhook', urlFile: 'url', secretFile: 'secret' }], secrets)
  scene.notifier.tell(notice())
  await scene.notifier.settled()
  const { body, headers } = server.requests[0]!
  expect(JSON.parse(body)).toEqual(JSON.parse(blocks('json')[0]!))

  const program = `${blocks('python')[0]}
import sys
body = sys.stdin.buffer.read()
print(is_genuine(body, sys.argv[1], "gehëim".encode()), is_genuine(body + b" ", sys.argv[1], "gehëim".encode()))
`
  const signature = String(headers['x-factory-signature-256'])
  const { stdout } = await execa('/usr/bin/python3', ['-c', program, signature], { input: body })
  expect(stdout).toBe('True False')
})

test('the commands on docs/notify.md are right: a file that only its owner reads, and no secret in an argument', async () => {
  await using workspace = await makeWorkspace()
  const [make = '', trySlack = '', tryMatrix = ''] = blocks('sh').map((text) => text.replaceAll(/^ +/gm, ''))
  const cwd = workspace.directory
  await using server = await startHttpReceiver(({ path }) => ({ status: 200, body: path }))
  await execa('bash', ['-ec', make], { cwd, input: `${server.origin}/services/secret\n` })
  const { stdout: mode } = await execa('stat', ['-c', '%a', 'secrets/slack-url'], { cwd })
  expect(mode).toBe('600')
  expect((await execa('bash', ['-ec', trySlack], { cwd })).stdout).toBe('/services/secret')
  await workspace.write('secrets/matrix-token', 'syt_secret\n')
  const here = tryMatrix.replace('https://matrix.example.org', server.origin)
  expect((await execa('bash', ['-ec', here], { cwd })).stdout).toBe('/_matrix/client/v3/account/whoami')
  expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([
    undefined,
    'Bearer syt_secret',
  ])
})
