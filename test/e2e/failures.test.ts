import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import type { FactoryEvent } from '#src/events.ts'
import { ensureLab } from '#test/lab/lab.ts'
import { virsh } from '#test/lab/libvirt.ts'
import { only, openWorkspace } from './factory.ts'

beforeAll(async () => {
  await ensureLab((line) => process.stderr.write(`${line}\n`))
})

function failures(events: readonly FactoryEvent[]) {
  return events.flatMap((event) => (event.type === 'step-failed' ? [event] : []))
}

test('a full disk is grown once; a RUN that fails and a builder that loses its network fail alone; the rest is finished', async () => {
  await using workspace = await openWorkspace((file) => {
    only('x86_64', 'aarch64', 's390x')(file)
    delete file.image.push
    // Most of the time one of them only waits for a network that does not come back.
    for (const cloud of Object.values(file.clouds)) cloud['maxBuilders'] = 3
    file.limits = { reconnect: '30s' }
  })
  await insertAfterFrom(workspace.containerfile, [
    // More than the first data disk has, less than the second one.
    'RUN if [ "$(uname -m)" = aarch64 ]; then fallocate -l 1400M /fill && rm /fill; fi',
    'RUN if [ "$(uname -m)" = aarch64 ]; then echo only here; exit 7; fi',
  ])
  const cuts: Promise<unknown>[] = []
  const run = await workspace.release([], (event) => {
    if (event.type !== 'step-started' || event.step !== 'container' || event.arch !== 's390x') return
    cuts.push(cutNetwork(workspace.domains, 's390x'))
  })
  await Promise.all(cuts)
  expect(cuts, 'a lost machine is replaced, once').toHaveLength(2)
  const failed = failures(run.events)
  expect(run.exitCode, JSON.stringify(failed)).toBe(3)

  const [full, failing, ...more] = failed.filter(({ arch }) => arch === 'aarch64')
  expect(full?.error).toMatchObject({ class: 'disk-full' })
  expect(run.events).toContainEqual(
    expect.objectContaining({
      type: 'warning',
      message: expect.stringContaining('disk was full: once more with'),
    }),
  )
  expect(failing?.error).toMatchObject({ code: 'containerfile-failed', class: 'user' })
  expect(failing?.error.message).toContain('aarch64')
  expect(more).toEqual([])
  const cutOff = failed.filter(({ arch }) => arch === 's390x')
  expect(cutOff).toHaveLength(2)
  for (const { error } of cutOff) {
    expect(error).toMatchObject({ code: 'builder-unreachable', class: 'infra' })
    expect(error.message).toContain('did not come back within 30')
    expect(error.hint).toBeTruthy()
  }
  const { stdout } = await workspace.factory('images', '--json')
  expect(JSON.parse(stdout)).toMatchObject([{ arch: 'x86_64', verified: 'passed', state: 'incomplete' }])
  expect(await workspace.domains()).toEqual([])
  expect(await workspace.leftovers()).toEqual([])
  const logs = await workspace.factory('logs', 'aarch64', '--step', 'container')
  expect(logs.stdout).toContain('only here')
})

test('Ctrl-C gives the builder back and prints how to go on; the same release goes on', async () => {
  await using workspace = await openWorkspace(only('s390x'))
  const run = await workspace.release([], (event, process) => {
    if (event.type === 'step-started' && event.step === 'prepare') process.kill('SIGINT')
  })
  expect(run.exitCode).toBe(130)
  expect(run.stderr).toMatch(/Go on with: FACTORY_HOME=\S+ npx factory release/)
  expect(await workspace.domains()).toEqual([])
  expect(await workspace.leftovers()).toEqual([])
  const { stdout } = await workspace.factory('status', '--json')
  expect(JSON.parse(stdout)).toMatchObject({ outcome: 'interrupted', leases: [] })
  const plan = await workspace.factory('plan')
  expect(plan.stdout).toContain('did not finish s390x')
})

test('a machine that does not answer in time is replaced once and then told, with its name and the time', async () => {
  await using workspace = await openWorkspace((file) => {
    only('s390x')(file)
    file.limits = { boot: '2s' }
  })
  const run = await workspace.release([])
  expect(run.exitCode).toBe(1)
  const failed = failures(run.events)
  expect(failed.map(({ step, error }) => `${step} ${error.code}`)).toEqual(
    Array(2).fill('prepare builder-unreachable'),
  )
  expect(failed[0]?.error.message).toMatch(/factory-s390x-\S+ .* did not answer over SSH within 2/)
  expect(await workspace.domains()).toEqual([])
  expect(await workspace.leftovers()).toEqual([])
})

test('a pool that does not exist is said before anything is rented, with the pools that do', async () => {
  await using workspace = await openWorkspace((file) => {
    only('x86_64')(file)
    for (const cloud of Object.values(file.clouds)) cloud['pool'] = 'no-such-pool'
  })
  const run = await workspace.release([])
  expect(run.exitCode).toBe(1)
  const failed = failures(run.events)
  expect(failed.map(({ error }) => error.code)).toEqual(['pool-not-found'])
  expect(failed[0]?.error.message).toContain('images')
  expect(run.events.some((event) => event.type === 'step-started' && event.step === 'container')).toBe(false)
})

test('a file of 2 GB in the context is refused with its name and the line that leaves it out', async () => {
  await using workspace = await openWorkspace()
  const file = join(workspace.directory, 'context', 'forgotten.img')
  await writeFile(file, '')
  const { truncate } = await import('node:fs/promises')
  await truncate(file, 2_000_000_000)
  const { exitCode, stderr } = await workspace.factory('release')
  expect(exitCode).toBe(2)
  expect(stderr).toContain('forgotten.img')
  expect(stderr).toContain('.containerignore')
})

/** First thing in the build, so that nobody waits for what comes to nothing. */
async function insertAfterFrom(file: string, lines: readonly string[]): Promise<void> {
  const text = await readFile(file, 'utf8')
  const parts = text.split(/^(FROM .*\n)/m)
  expect(parts).toHaveLength(3)
  await writeFile(file, [parts[0], parts[1], ...lines.map((line) => `${line}\n`), parts[2]].join(''))
}

/** Pulls the network cable of the builder of one architecture. */
async function cutNetwork(domains: () => Promise<string[]>, arch: string): Promise<void> {
  const domain = (await domains()).find((name) => name.includes(arch))
  if (domain === undefined) throw new Error(`no ${arch} builder runs`)
  const { stdout } = await virsh(['qemu-monitor-command', domain, '--hmp', 'info network'])
  const device = /^(\S+): .*type=nic/m.exec(stdout)?.[1]
  if (device === undefined) throw new Error(`no network device in: ${stdout}`)
  await virsh(['qemu-monitor-command', domain, '--hmp', `set_link ${device} off`])
}
