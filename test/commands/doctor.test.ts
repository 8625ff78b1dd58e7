import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { architectureNames } from '#arch/index.ts'
import type { Cloud, Finding } from '#clouds/types.ts'
import { doctorCommand, policyCommand } from '#src/commands/doctor.ts'
import { hereFindings } from '#src/commands/doctor-here.ts'
import { notifyFindings } from '#src/commands/doctor-notify.ts'
import { type Workspace, makeWorkspace } from '#test/config/workspace.ts'
import { pushIndex } from '#test/registry/images.ts'
import { type RegistryServer, startRegistry } from '#test/servers/registry.ts'

/** What each cloud's own doctor says, by name. */
const doctors = new Map<string, () => AsyncIterable<Finding>>()
vi.mock('#clouds/index.ts', async (original) => ({
  ...(await original<object>()),
  openCloud: (name: string): Promise<Cloud> =>
    Promise.resolve({ name, kind: 'libvirt', doctor: () => doctors.get(name)!(), ...policyOf(name) }),
}))

/** Only the second cloud has rights to give. */
function policyOf(name: string): Pick<Cloud, 'policy'> {
  return name === 'spare' ? { policy: () => '{\n  "Statement": []\n}' } : {}
}

let registry: RegistryServer
beforeAll(async () => {
  registry = await startRegistry()
  await pushIndex(registry.host, 'base', '1', architectureNames)
  await pushIndex(registry.host, 'bib', 'latest', architectureNames)
  await pushIndex(registry.host, 'single', '1', ['x86_64'])
})
afterAll(() => registry[Symbol.asyncDispose]())
afterEach(() => void vi.restoreAllMocks())

async function* fine(): AsyncIterable<Finding> {
  yield { severity: 'ok', subject: 'libvirt', message: 'answers' }
}

async function workspaceOf(from: string, changes: { secrets?: string; bib?: string } = {}) {
  doctors.set('lab', fine).set('spare', fine)
  return await makeWorkspace({
    'factory.yaml': `
image: { name: lab, containerfile: Containerfile${changes.secrets ?? ''} }
disk: { builder: ${registry.host}/${changes.bib ?? 'bib:latest'} }
clouds: { lab: { kind: libvirt }, spare: { kind: libvirt } }
builders: { x86_64: [lab], s390x: [lab] }
`,
    ...(from === '' ? {} : { Containerfile: `FROM ${registry.host}/${from}\n` }),
  })
}

async function doctor(workspace: Workspace, json = true) {
  vi.spyOn(process, 'cwd').mockReturnValue(workspace.directory)
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  const exitCode = await doctorCommand({ config: undefined, json })
  const text = write.mock.calls.join('')
  write.mockRestore()
  return { exitCode, text, found: json ? (JSON.parse(text) as ({ cloud: string } & Finding)[]) : [] }
}

test('says that inputs, this machine and every cloud are ready', async () => {
  await using workspace = await workspaceOf('base:1')
  const { exitCode, found } = await doctor(workspace)
  expect(exitCode).toBe(0)
  expect(found.every(({ severity }) => severity !== 'error')).toBe(true)
  const subjects = found.map(({ cloud, subject }) => `${cloud} ${subject}`)
  expect(subjects).toEqual([
    `inputs ${workspace.directory}/Containerfile`,
    `inputs ${registry.host}/base:1`,
    `inputs ${registry.host}/bib:latest`,
    `here state directory ${workspace.directory}/.factory`,
    'here the program ssh',
    'lab libvirt',
    'spare libvirt',
  ])
  expect(found.find(({ subject }) => subject === 'the program ssh')?.message).toMatch(/^OpenSSH_/)
})

test('says how large the context is', async () => {
  await using workspace = await workspaceOf('base:1', { secrets: ', context: sources' })
  await workspace.write('sources/one', 'one')
  expect((await doctor(workspace)).found[0]?.message).toContain('its context has 1 file, 3 B')
  await workspace.write('sources/two', 'two')
  expect((await doctor(workspace)).found[0]?.message).toContain('its context has 2 files, 6 B')
})

test('a base without an asked architecture and a disk builder that is gone are both told, with their places', async () => {
  await using workspace = await workspaceOf('single:1', { bib: 'gone:1' })
  const { exitCode, found } = await doctor(workspace)
  expect(exitCode).toBe(1)
  expect(found.filter(({ severity }) => severity === 'error')).toMatchObject([
    {
      cloud: 'inputs',
      subject: expect.stringMatching(/^Containerfile:1:/),
      message: expect.stringContaining('single:1'),
    },
    {
      cloud: 'inputs',
      subject: expect.stringMatching(/^factory\.yaml:3:/),
      message: expect.stringContaining('gone:1'),
    },
  ])
  expect(found).toContainEqual({ cloud: 'lab', severity: 'ok', subject: 'libvirt', message: 'answers' })
})

test('files that are missing are each told once, and everything else is still looked at', async () => {
  await using workspace = await workspaceOf('', { secrets: ', secrets: { token: gone/token }' })
  const { exitCode, found } = await doctor(workspace)
  expect(exitCode).toBe(1)
  const errors = found.filter(({ severity }) => severity === 'error')
  expect(errors.map(({ cloud }) => cloud)).toEqual(['inputs', 'inputs'])
  expect(errors.map(({ message }) => message).join()).toMatch(/Containerfile.*gone\/token/)
  expect(found.filter(({ cloud }) => cloud === 'spare')).toHaveLength(1)
})

test('a missing secret does not hide that a base cannot be found', async () => {
  await using workspace = await workspaceOf('gone:1', { secrets: ', secrets: { token: gone/token }' })
  const { found } = await doctor(workspace)
  const errors = found.filter(({ severity }) => severity === 'error').map(({ message }) => message)
  expect(errors).toMatchObject([expect.stringContaining('gone/token'), expect.stringContaining('gone:1')])
})

test('a cloud whose doctor fails does not keep the next one from being looked at', async () => {
  await using workspace = await workspaceOf('base:1')
  // oxlint-disable-next-line require-yield
  doctors.set('lab', async function* () {
    throw new Error('no route')
  })
  const { exitCode, found } = await doctor(workspace)
  expect(exitCode).toBe(1)
  expect(found.filter(({ severity }) => severity === 'error')).toMatchObject([
    { cloud: 'lab', message: expect.stringContaining('no route') },
  ])
  expect(found.at(-1)).toMatchObject({ cloud: 'spare', severity: 'ok' })
  expect((await doctor(workspace, false)).text).toMatch(/^lab +error +lab +.*no route/m)
})

test('too little space is a warning, a state directory that cannot be and a missing ssh client are errors', async () => {
  await using workspace = await makeWorkspace({ file: 'not a directory' })
  const look = async (stateDirectory: string, architectures = architectureNames, path?: string) =>
    await Array.fromAsync(hereFindings({ stateDirectory, architectures }, path))
  const many = Array.from({ length: 1_000_000 }, () => 'x86_64' as const)
  expect((await look(workspace.directory, many))[0]).toMatchObject({
    severity: 'warning',
    hint: expect.stringContaining('FACTORY_HOME'),
  })
  expect((await look(`${workspace.directory}/file/.factory`))[0]?.severity).toBe('error')
  const without = await look(workspace.directory, architectureNames, workspace.directory)
  expect(without.slice(1).map(({ severity }) => severity)).toEqual(['error'])
})

test('what is to be pasted comes in whole lines after the table', async () => {
  await using workspace = await workspaceOf('base:1')
  const paste = '{\n  "Action": ["ec2:RunInstances"]\n}'
  doctors.set('spare', async function* () {
    yield { severity: 'error', subject: 'rights', message: '1 is missing', paste }
  })
  const { text, exitCode } = await doctor(workspace, false)
  expect(exitCode).toBe(1)
  expect(text.endsWith(`\nspare:\n${paste}\n`)).toBe(true)
  expect((await doctor(workspace)).found.find(({ cloud }) => cloud === 'spare')?.paste).toBe(paste)
})

test('--policy prints the rights of the clouds that have any, and asks no cloud for anything', async () => {
  await using workspace = await workspaceOf('base:1')
  const asked = () => {
    throw new Error('nobody is to be asked')
  }
  doctors.set('lab', asked).set('spare', asked)
  vi.spyOn(process, 'cwd').mockReturnValue(workspace.directory)
  const out = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  const told = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  expect(await policyCommand({ config: undefined })).toBe(0)
  expect(JSON.parse(out.mock.calls.join(''))).toEqual({ Statement: [] })
  expect(told.mock.calls.join('')).toBe('lab: needs no policy\n')
})

test('says of those who are to be told whose secret cannot be read', async () => {
  await using workspace = await makeWorkspace({
    address: 'https://hooks.example/x\n',
    secret: 'a secret\n',
    words: 'no address\n',
  })
  const file = (name: string) => join(workspace.directory, name)
  const on = ['failed'] as const
  const found = await Array.fromAsync(
    notifyFindings([
      { kind: 'webhook', urlFile: file('address'), secretFile: file('secret'), on: [...on] },
      { kind: 'webhook', urlFile: file('address'), secretFile: file('gone'), on: [...on] },
      { kind: 'slack', urlFile: file('words'), on: [...on] },
    ]),
  )
  expect(found).toMatchObject([
    { severity: 'ok', subject: 'notify[0] (webhook)' },
    {
      severity: 'warning',
      subject: 'notify[1] (webhook)',
      message: expect.stringContaining('is not there') as string,
    },
    {
      severity: 'warning',
      subject: 'notify[2] (slack)',
      message: expect.stringContaining('no address') as string,
    },
  ])
})
