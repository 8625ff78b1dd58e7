import { once } from 'node:events'
import { request } from 'node:http'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { engineAtWork } from '#src/journal/engine.ts'
import { openJournal, readJournal } from '#src/journal/journal.ts'
import { type Workspace, makeWorkspace } from '#test/config/workspace.ts'
import { serveOnLoopback } from '#test/servers/loopback.ts'
import { recordsOf } from './released.ts'
import { serving } from './serving-process.ts'

const launcher = new URL('../../src/launcher.js', import.meta.url).pathname
const both = ['one/factory.yaml', 'two/factory.yaml']

/** Nobody answers there: what is built fails at once. */
function configurationOf(name: string, listen: string): string {
  return `
image: { name: ${name}, ref: "127.0.0.1:1/nothing:latest" }
disk: { builder: "127.0.0.1:1/bib:1" }
clouds: { hypervisor: { kind: libvirt, uri: ["qemu+ssh://nobody@127.0.0.1:1/system"] } }
builders: { x86_64: [hypervisor] }
publish: [{ to: hypervisor }]
serve: { listen: "${listen}" }
`
}

async function twoImages({
  one = '127.0.0.1:0',
  two = '127.0.0.1:0',
  name = 'two',
} = {}): Promise<Workspace> {
  const workspace = await makeWorkspace({
    'one/factory.yaml': configurationOf('one', one),
    'two/factory.yaml': configurationOf(name, two),
  })
  for (const image of ['one', 'two']) {
    using journal = openJournal(stateOf(workspace, image))
    journal.appendAll(recordsOf('20261101.1'))
  }
  return workspace
}

function stateOf({ directory }: Workspace, image: string): string {
  return join(directory, image, '.factory')
}

async function promoteIn({ directory }: Workspace, image: string) {
  const words = [launcher, '-c', `${image}/factory.yaml`, 'promote', '20261101.1']
  return await execa(process.execPath, words, { cwd: directory, env: { FACTORY_HOME: '' }, reject: false })
}

function promotedIn(workspace: Workspace, image: string): string | undefined {
  using journal = readJournal(stateOf(workspace, image))
  return journal.state().channels.promoted?.release
}

test('one process serves several images, each on an address and with a token of its own', async () => {
  await using workspace = await twoImages()
  await using served = await serving(workspace.directory, { configurations: both })
  const images = await Promise.all(
    ['one', 'two'].map(async (name) => ({
      url: await served.until(new RegExp(`^\\[${name}\\] Serving on (\\S+)`)),
      token: await served.until(new RegExp(`^\\[${name}\\] The token.*: (\\S+)$`)),
    })),
  )
  const statusOf = async ({ url }: { url: string }, { token }: { token: string }) => {
    const headers = { authorization: `Bearer ${token}` }
    return (await fetch(new URL('/api/images', url), { headers })).status
  }
  const [one, two] = images as [(typeof images)[0], (typeof images)[0]]
  expect(await Promise.all([statusOf(one, one), statusOf(two, two), statusOf(one, two)])).toEqual([
    200, 200, 401,
  ])
  expect(await promoteIn(workspace, 'two')).toMatchObject({ exitCode: 0 })
  expect([promotedIn(workspace, 'one'), promotedIn(workspace, 'two')]).toEqual([undefined, '20261101.1'])
  served.kill('SIGTERM')
  expect(await served.ended).toMatchObject({ exitCode: 0 })
})

test('an image that cannot be served does not end the others, and shows in the exit code', async () => {
  await using other = await serveOnLoopback(() => {})
  await using workspace = await twoImages({ one: `127.0.0.1:${other.port}` })
  await using served = await serving(workspace.directory, { configurations: both })
  await served.until(/^\[one\] error: cannot listen on /)
  await served.until(/^\[one\] no longer served; the other images are/)
  expect(await promoteIn(workspace, 'two')).toMatchObject({ exitCode: 0 })
  // Nobody holds it any more: the command makes the choice itself.
  expect(await promoteIn(workspace, 'one')).toMatchObject({ exitCode: 0 })
  served.kill('SIGTERM')
  expect(await served.ended).toMatchObject({ exitCode: 2 })
})

test('an image that has stopped keeps its journal until all have: its release would give up its machines', async () => {
  await using workspace = await twoImages()
  await using served = await serving(workspace.directory, { configurations: both })
  await served.until(/^\[one\] Serving on /)
  const url = await served.until(/^\[two\] Serving on (\S+)/)
  const token = await served.until(/^\[two\] The token.*: (\S+)$/)
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const slow = request(new URL('/api/releases', url), { method: 'POST', headers })
  slow.on('error', () => undefined).write('{')
  await once(slow, 'socket')
  await setTimeout(500)
  served.kill('SIGTERM')
  await served.until(/^\[one\] .* stopped$/)
  await setTimeout(1_000)
  expect(engineAtWork(stateOf(workspace, 'one'))).toBeDefined()
  slow.destroy()
  expect(await served.ended).toMatchObject({ exitCode: 0 })
})

test('an image that is served already is named', async () => {
  await using workspace = await twoImages()
  await using other = await serving(workspace.directory, { configurations: ['two/factory.yaml'] })
  const options = { cwd: workspace.directory, env: { FACTORY_HOME: '' }, reject: false } as const
  const { exitCode, stderr } = await execa(process.execPath, [launcher, 'serve', ...both], options)
  expect(exitCode).toBe(2)
  expect(stderr).toMatch(
    new RegExp(`at work on \\S*/two/factory\\.yaml \\(process ${other.pid}\\) \\[factory-busy\\]`),
  )
  expect(await promoteIn(workspace, 'one')).toMatchObject({ exitCode: 0 })
})

test.for([
  { shared: 'an address', given: { one: '127.0.0.1:8085', two: '127.0.0.1:8085' }, home: '' },
  { shared: 'a state directory', given: {}, home: 'home' },
  { shared: 'an owner', given: { name: 'one' }, home: '' },
])('images that share $shared are refused, and both are named', async ({ given, home }) => {
  await using workspace = await twoImages(given)
  const options = { cwd: workspace.directory, env: { FACTORY_HOME: home }, reject: false } as const
  const { exitCode, stderr } = await execa(process.execPath, [launcher, 'serve', ...both], options)
  expect(exitCode).toBe(2)
  expect(stderr).toMatch(
    /one\/factory\.yaml and \S*two\/factory\.yaml both want .*\n.*a directory of its own/,
  )
  expect(stderr).toContain('[serve-shared]')
})
