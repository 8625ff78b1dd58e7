import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { cloudConfigurations, openCloud } from '#clouds/index.ts'
import { domainXml } from '#clouds/libvirt/domain.ts'
import { proxyCommand } from '#clouds/libvirt/hypervisor.ts'
import { marksFromXml, marksToXml } from '#clouds/libvirt/lease-marks.ts'
import { prolongedMark, prolongedUntil, volumesOfLease } from '#clouds/libvirt/lease-names.ts'
import { parseXml, select } from '#clouds/libvirt/xml.ts'

interface JsonSchema {
  description?: string
  properties: Record<string, JsonSchema>
  additionalProperties?: JsonSchema
}

function problems(configuration: object): string[] {
  const parsed = cloudConfigurations.libvirt.safeParse({ kind: 'libvirt', ...configuration })
  return parsed.error?.issues.map(({ path, message }) => `${path.join('.')} ${message}`) ?? []
}

test('the page about libvirt has a row for every key, and every key says what it is', async () => {
  const page = await readFile(new URL('../../docs/clouds/libvirt.md', import.meta.url), 'utf8')
  const schema = z.toJSONSchema(cloudConfigurations.libvirt, { io: 'input' }) as JsonSchema
  const rows = [...page.matchAll(/^\| `([\w.]+)` \|/gm)].map((match) => match[1])
  const { base, ...others } = schema.properties
  const baseKeys = Object.keys(base!.additionalProperties!.properties).map((key) => `base.ARCH.${key}`)
  expect(rows.toSorted()).toEqual([...Object.keys(others), ...baseKeys].toSorted())
  const described = [
    ...Object.values(schema.properties),
    ...Object.values(base!.additionalProperties!.properties),
  ]
  expect(described.every(({ description }) => description)).toBe(true)
})

test('nothing but the kind has to be said', () => {
  expect(cloudConfigurations.libvirt.parse({ kind: 'libvirt' })).toMatchObject({
    uri: 'qemu:///system',
    pool: 'images',
    cpus: 2,
    memory: '4 GiB',
    maxBuilders: 4,
    accelerator: 'auto',
  })
})

test.each([
  ['qemu:///system'],
  ['qemu:///session'],
  ['qemu+ssh://copr@hv1.example.org/system'],
  ['qemu+ssh://root@127.0.0.1:2222/system?keyfile=/k&known_hosts=/h'],
])('%s is an address', (uri) => {
  expect(problems({ uri })).toEqual([])
})

test.each([
  ['http://hv1/system', /no libvirt address/],
  ['hv1', /no libvirt address/],
  ['qemu+tcp://hv1/system', /no libvirt address/],
  ['qemu+ssh:///system', /names no host/],
  ['qemu+ssh://-oProxyCommand=x/system', /no libvirt address|names no host/],
  ['qemu+ssh://-oProxyCommand@hv1/system', /no password/],
  ['qemu+ssh://root:secret@hv1/system', /no password/],
  ['qemu+ssh://root@hv1/', /must end with/],
  ['qemu+ssh://root@hv1/system?no_verify=1', /always verified/],
  ['qemu+ssh://root@hv1/system?command=/tmp/x', /parameter command/],
])('%s is refused', (uri, why) => {
  expect(problems({ uri }).join()).toMatch(why)
})

test.each([
  [{ pool: '--help' }, /pool/],
  [{ memory: '12 parsecs' }, /memory/],
  [{ memory: '1 MiB' }, /at least 256 MiB/],
  [{ cpus: 0 }, /cpus/],
  [{ base: { sparc: { volume: 'x' } } }, /base/],
  [{ base: { x86_64: { volume: 'x', kernel: '../etc/passwd' } } }, /base.x86_64.kernel/],
  [{ base: { x86_64: { volume: 'x', user: '-x' } } }, /base.x86_64.user/],
  [{ bass: {} }, /bass/],
])('%j is refused', (configuration, where) => {
  expect(problems(configuration).join()).toMatch(where)
})

test('the same hypervisor twice is refused', async () => {
  const configuration = cloudConfigurations.libvirt.parse({
    kind: 'libvirt',
    uri: ['qemu:///system', 'qemu:///system'],
  })
  const opened = openCloud('hv', configuration, { owner: 'o', stateDirectory: '/tmp/factory-test-unused' })
  await expect(opened).rejects.toMatchObject({ code: 'hypervisor-named-twice' })
})

test('for root the session is the system’s hypervisor, so naming both is refused', async () => {
  const uri = ['qemu:///system', 'qemu:///session']
  const configuration = cloudConfigurations.libvirt.parse({ kind: 'libvirt', uri })
  const opened = openCloud('hv', configuration, { owner: 'o', stateDirectory: '/tmp/factory-test-unused' })
  if (process.getuid?.() !== 0) return expect((await opened).images!.regions).toEqual(['local', 'session'])
  await expect(opened).rejects.toMatchObject({ code: 'hypervisor-named-twice' })
})

const marks = {
  lease: 'x86-64-0123',
  owner: `o"'<&>`,
  release: '<domain/>',
  arch: 'x86_64',
  expires: '2026-01-01T00:00:00Z',
  purpose: 'build',
} as const

test('what goes into a definition comes out of it unchanged, whatever characters it has', () => {
  const path = `/pool/a "b" <c> & 'd'.raw`
  const definition = domainXml({
    name: 'factory-x',
    uuid: '6e3cd5f0-0f5b-4d0b-9f0e-3c1b5c7f4a11',
    arch: 'x86_64',
    type: 'qemu',
    cpus: 2,
    memoryBytes: 1024,
    metadata: marksToXml(marks, 2222),
    disks: [{ path, format: 'raw', serial: 's' }],
    firmwareStatePath: path,
    consolePath: path,
    restartable: false,
    port: 2222,
  })
  const root = parseXml(definition, 'domain')
  expect(marksFromXml(root)).toEqual({ marks, port: 2222 })
  expect(select(root, 'devices/disk/source')[0]?.attributes['file']).toBe(path)
  expect(select(root, 'qemu:commandline/qemu:arg').map(({ attributes }) => attributes['value'])).toContain(
    'user,id=factory,hostfwd=tcp:127.0.0.1:2222-:22',
  )
})

test('marks of another namespace are none of ours', () => {
  const foreign = marksToXml(marks, 1).markup.replace('urn:image-factory', 'urn:other')
  expect(marksFromXml(parseXml(`<domain><metadata>${foreign}</metadata></domain>`, 'domain'))).toBeUndefined()
})

test('the volumes of one lease are never taken for those of another', () => {
  const names = [
    'factory-a.json',
    'factory-a.qcow2',
    'factory-a-data.raw',
    'factory-a-console.log.0',
    'factory-a.until-2026-01-01T00_00_00Z',
    'factory-a.until-never',
    'factory-a-data.qcow2',
    'factory-a-data.json',
    'factory-ab.qcow2',
    'base.qcow2',
  ]
  expect(volumesOfLease(names, 'a')).toEqual([
    'factory-a.qcow2',
    'factory-a-data.raw',
    'factory-a-console.log.0',
    'factory-a.until-2026-01-01T00_00_00Z',
    'factory-a.json',
  ])
  expect(volumesOfLease(names, 'a-data')).toEqual(['factory-a-data.qcow2', 'factory-a-data.json'])
})

test('the way to a hypervisor never turns checks off and never takes a host for an option', () => {
  const options = ['-o', 'StrictHostKeyChecking=yes']
  const access = { options, destination: '-oEvil', connection: 'qemu:///system' }
  const argv = proxyCommand(access, 2222)
  expect(argv.slice(-2)).toEqual(['--', '-oEvil'])
})

test.each(['2026-01-01T00:00:00Z', '2026-01-01T00:00:00.123+02:00'])(
  'a mark of a prolonged lease says %s by its name, in no character that QEMU would read as a protocol',
  (expires) => {
    const name = prolongedMark('a-1', expires)
    expect(name).toMatch(/^[\w.+-]+$/)
    expect(prolongedUntil(name, 'a-1')).toBe(expires)
    expect(prolongedUntil(name, 'a')).toBeUndefined()
  },
)
