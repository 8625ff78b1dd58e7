import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { initCommand } from '#src/commands/init.ts'
import { schemaCommand } from '#src/commands/schema.ts'
import { loadConfiguration } from '#src/config/load.ts'
import { configurationPage } from '#src/config/reference-page.ts'
import { starterFile } from '#src/config/starter.ts'
import { makeWorkspace } from './workspace.ts'

const full = `owner: copr
image:
  name: copr-builder
  containerfile: images/builder/Containerfile
  context: images
  buildArgs: { FEDORA: "44" }
  secrets: { token: secrets/token }
  push: quay.io/example/copr-builder
  authFile: auth.json
disk:
  builder: { s390x: "quay.io/a/bib:2", x86_64: "quay.io/a/bib:1" }
  rootfs: ext4
  size: 10 GiB
clouds:
  lab: { kind: libvirt, uri: [qemu+ssh://copr@hv1/system, qemu+ssh://copr@hv2/system], pool: images }
  spare: { kind: libvirt }
builders:
  s390x: [spare, lab]
  x86_64: [lab]
publish:
  - { to: lab, arch: [s390x], format: qcow2, verify: false }
  - { to: spare }
require: [x86_64]
limits: { boot: 90s }
`
const files = {
  'deploy/factory.yaml': full,
  'deploy/images/builder/Containerfile': 'FROM scratch\n',
  'deploy/secrets/token': 'x',
  'deploy/auth.json': '{}',
}

describe('loadConfiguration', () => {
  it('fills in defaults, and reads sizes, durations and paths beside the file', async () => {
    await using workspace = await makeWorkspace(files)
    const directory = join(workspace.directory, 'deploy')
    const { place, ...configuration } = await loadConfiguration(
      'deploy/factory.yaml',
      workspace.directory,
      {},
    )
    expect(configuration).toMatchObject({
      file: join(directory, 'factory.yaml'),
      directory,
      stateDirectory: join(directory, '.factory'),
      owner: 'copr',
      image: {
        name: 'copr-builder',
        source: {
          kind: 'containerfile',
          containerfile: join(directory, 'images/builder/Containerfile'),
          context: join(directory, 'images'),
          buildArgs: { FEDORA: '44' },
          secrets: { token: join(directory, 'secrets/token') },
        },
        push: 'quay.io/example/copr-builder',
        authFile: join(directory, 'auth.json'),
      },
      disk: {
        builders: { x86_64: 'quay.io/a/bib:1', s390x: 'quay.io/a/bib:2' },
        rootfs: 'ext4',
        sizeBytes: 10 * 1024 ** 3,
      },
      architectures: ['x86_64', 's390x'],
      builders: { x86_64: ['lab'], s390x: ['spare', 'lab'] },
      publish: [
        { to: 'lab', architectures: ['s390x'], format: 'qcow2', verify: false },
        { to: 'spare', architectures: ['x86_64', 's390x'], format: 'raw', verify: true },
      ],
      require: ['x86_64'],
      limits: {
        build: 7_200_000,
        disk: 7_200_000,
        boot: 90_000,
        reconnect: 120_000,
        lease: 14_400_000,
        collect: 3_600_000,
      },
    })
    expect(configuration.clouds['spare']).toMatchObject({
      kind: 'libvirt',
      uri: 'qemu:///system',
      pool: 'images',
    })
    expect(place(['disk', 'builder', 's390x'])).toEqual({ file: 'deploy/factory.yaml', line: 11, column: 21 })
  })

  it('takes the image name as owner and the directory of the Containerfile as context', async () => {
    const short = full.replace('owner: copr\n', '').replace('  context: images\n', '')
    await using workspace = await makeWorkspace({ ...files, 'deploy/factory.yaml': short })
    const configuration = await loadConfiguration(undefined, join(workspace.directory, 'deploy'), {})
    expect(configuration.owner).toBe('copr-builder')
    expect(configuration.image.source).toMatchObject({
      context: join(workspace.directory, 'deploy/images/builder'),
    })
  })

  it('keeps its state where FACTORY_HOME says', async () => {
    await using workspace = await makeWorkspace(files)
    const environment = { FACTORY_HOME: 'elsewhere' }
    const configuration = await loadConfiguration('deploy/factory.yaml', workspace.directory, environment)
    expect(configuration.stateDirectory).toBe(join(workspace.directory, 'elsewhere'))
  })

  it('reads the same from a file with its keys in another order', async () => {
    const reversed = stringify(parse(full), {
      sortMapEntries: (a, b) => (String(a.key) < String(b.key) ? 1 : -1),
    })
    await using workspace = await makeWorkspace(files)
    const { place: _, ...first } = await loadConfiguration('deploy/factory.yaml', workspace.directory, {})
    await workspace.write('deploy/factory.yaml', reversed)
    const { place: __, ...second } = await loadConfiguration('deploy/factory.yaml', workspace.directory, {})
    expect(second).toEqual(first)
  })
})

describe('the page of a cloud', () => {
  it.each([
    ['aws', ['x86_64', 'aarch64']],
    ['ibm', ['x86_64']],
    ['openstack', ['ppc64le']],
    ['ssh', ['s390x']],
  ])(
    '%s has one whole configuration that loads, with what it leaves to choose as well',
    async (name, names) => {
      const page = await readFile(new URL(`../../docs/clouds/${name}.md`, import.meta.url), 'utf8')
      const blocks = [...page.matchAll(/```yaml\n(.*?)```/gs)].map((match) => match[1] as string)
      const [whole = '', ...others] = blocks.filter((yaml) => yaml.startsWith('image:'))
      expect(others).toEqual([])
      const enabled = whole.replaceAll(/^( *)# (\w+:)/gm, '$1$2')
      for (const yaml of [whole, enabled]) {
        await using workspace = await makeWorkspace({ 'factory.yaml': yaml })
        const loading = loadConfiguration(undefined, workspace.directory, {}, { checkFiles: false })
        await expect(loading).resolves.toMatchObject({ architectures: names })
      }
    },
  )
})

describe('factory init', () => {
  it('writes a configuration that loads as soon as there is a Containerfile', async () => {
    await using workspace = await makeWorkspace()
    const printed: string[] = []
    await initCommand({ cwd: workspace.directory, force: false }, (text) => printed.push(text))
    expect(printed.join('')).toContain('wrote factory.yaml\nPut a Containerfile beside it')
    await expect(loadConfiguration(undefined, workspace.directory, {})).rejects.toMatchObject({
      code: 'containerfile-missing',
    })
    await workspace.write('Containerfile', 'FROM scratch\n')
    await expect(loadConfiguration(undefined, workspace.directory, {})).resolves.toMatchObject({
      architectures: ['x86_64'],
    })
  })

  it('offers lines that are right when their comment sign is taken away', async () => {
    const enabled = starterFile.replaceAll(/^( *)# (\w+:)/gm, '$1$2')
    expect(enabled).not.toBe(starterFile)
    await using workspace = await makeWorkspace({
      'factory.yaml': enabled,
      Containerfile: 'FROM scratch\n',
      'secrets/token': 'x',
    })
    await expect(loadConfiguration(undefined, workspace.directory, {})).resolves.toMatchObject({
      architectures: ['x86_64', 'aarch64', 'ppc64le', 's390x'],
      disk: { sizeBytes: 20 * 1024 ** 3 },
      limits: { boot: 600_000 },
    })
  })

  it('leaves an existing file alone unless it is forced', async () => {
    await using workspace = await makeWorkspace({ 'mine.yaml': 'image: mine\n' })
    const options = { cwd: workspace.directory, file: 'mine.yaml' }
    await expect(initCommand({ ...options, force: false })).rejects.toMatchObject({
      code: 'configuration-exists',
      message: 'there is a mine.yaml already, and it was left as it is',
    })
    await initCommand({ ...options, force: true }, () => undefined)
    await expect(loadConfiguration('mine.yaml', workspace.directory, {})).rejects.toMatchObject({
      code: 'containerfile-missing',
    })
  })
})

describe('factory schema', () => {
  it('prints a JSON Schema that describes every key', () => {
    const printed: string[] = []
    schemaCommand((text) => printed.push(text))
    const schema = JSON.parse(printed.join('')) as Record<string, unknown>
    expect(schema).toMatchObject({ type: 'object', additionalProperties: false })
    expect(keysWithoutDescription(schema, '')).toEqual([])
  })

  it('says in docs/configuration.md what it says', async () => {
    await expect(configurationPage()).toMatchFileSnapshot('../../docs/configuration.md')
  })
})

function keysWithoutDescription(schema: unknown, path: string): string[] {
  if (typeof schema !== 'object' || schema === null) return []
  return Object.entries(schema).flatMap(([key, value]) => {
    const inner = keysWithoutDescription(value, `${path}/${key}`)
    if (!path.endsWith('/properties') || path.endsWith('/properties/properties')) return inner
    return typeof (value as { description?: unknown }).description === 'string'
      ? inner
      : [`${path}/${key}`, ...inner]
  })
}
