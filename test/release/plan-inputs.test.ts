import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { execa } from 'execa'
import { architectureNames } from '#arch/index.ts'
import { loadConfiguration } from '#src/config/load.ts'
import { registryClient } from '#src/registry/client.ts'
import { type FactoryState, type ReleaseState, emptyState } from '#src/journal/replay.ts'
import { readInputs } from '#src/release/inputs.ts'
import { readInputsToGoOn } from '#src/release/inputs-to-go-on.ts'
import type { InputOptions, ReleaseInputs } from '#src/release/inputs.ts'
import { makeWorkspace } from '#test/config/workspace.ts'
import type { Workspace } from '#test/config/workspace.ts'
import { testContext } from '#test/registry/context.ts'
import { pushImage, pushIndex, removeManifest } from '#test/registry/images.ts'
import { startHttp } from '#test/registry/servers.ts'
import { startRegistry } from '#test/servers/registry.ts'
import type { RegistryServer } from '#test/servers/registry.ts'

let registry: RegistryServer
let host: string
let base: string
let tool: string
beforeAll(async () => {
  registry = await startRegistry()
  host = registry.host
  base = await pushIndex(host, 'base', '1', architectureNames)
  tool = await pushIndex(host, 'bib', 'latest', architectureNames)
})
afterAll(() => registry[Symbol.asyncDispose]())

const yaml = (image: string, options: { builders?: string; tool?: string; more?: string } = {}) => `image:
  name: lab
  ${image}
disk:
  builder: ${options.tool ?? `${host}/bib:latest`}
clouds:
  lab: { kind: libvirt }
builders: ${options.builders ?? '{ x86_64: [lab], aarch64: [lab], ppc64le: [lab], s390x: [lab] }'}
${options.more ?? ''}`

async function read(workspace: Workspace, options: Partial<InputOptions> = {}): Promise<ReleaseInputs> {
  const configuration = await loadConfiguration(undefined, workspace.directory, {})
  return await readInputs(configuration, { registry: registryClient(), ...options }, testContext())
}

async function failure(files: Record<string, string>, options: Partial<InputOptions> = {}) {
  await using workspace = await makeWorkspace(files)
  const error = await read(workspace, options).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(Error)
  return error as { code: string; message: string; hint: string }
}

describe('the inputs of a release', () => {
  it('are the same when only our own state, the configuration or a secret beside the Containerfile changed', async () => {
    await using workspace = await makeWorkspace({
      'factory.yaml': yaml('containerfile: Containerfile\n  secrets: { token: secrets/token }'),
      Containerfile: `FROM ${host}/base:1\n`,
      'secrets/token': 'hidden',
      'etc/motd': 'hello',
    })
    const before = await read(workspace)
    expect(before.context?.paths).toEqual(['Containerfile', 'etc', 'etc/motd', 'secrets'])
    await workspace.write('.factory/store/sha256/x', 'an artifact')
    await workspace.write('secrets/token', 'another')
    expect((await read(workspace)).facts).toEqual(before.facts)
  })

  it('of a release that was cut off stay what they were when a tag has moved since; those of a finished one do not', async () => {
    const moving = await pushIndex(host, 'moving', '1', architectureNames)
    await using workspace = await makeWorkspace({
      'factory.yaml': yaml('containerfile: Containerfile'),
      Containerfile: `FROM ${host}/moving:1\n`,
    })
    const configuration = await loadConfiguration(undefined, workspace.directory, {})
    const { facts } = await read(workspace)
    const moved = await pushIndex(host, 'moving', '1', architectureNames, { salt: 'moved' })
    expect(moved).not.toBe(moving)
    const goOn = async (outcome?: 'done') => {
      const release = { inputs: facts, ...(outcome ? { outcome } : {}) } as ReleaseState
      const state: FactoryState = { ...emptyState(), releases: [release] }
      const options = { registry: registryClient() }
      return (await readInputsToGoOn(configuration, state, options, testContext())).bases[0]?.digest
    }
    expect(await goOn()).toBe(moving)
    expect(await goOn('done')).toBe(moved)
    await workspace.write('Containerfile', `FROM ${host}/moving:1\nRUN true\n`)
    expect(await goOn(), 'something else changed too').toBe(moved)
  })

  it('are read once and pinned to the digests of indexes', async () => {
    const text = `ARG BASE\nFROM \${BASE} AS one\nFROM ${host}/base:1\nCOPY --from=one / /\n`
    await using workspace = await makeWorkspace({
      'factory.yaml': yaml(`containerfile: Containerfile\n  buildArgs: { BASE: "${host}/base:1" }`, {
        more: 'publish:\n  - { to: lab, arch: [s390x], format: qcow2 }\n',
      }),
      Containerfile: text,
      'etc/motd': 'hello',
    })
    const inputs = await read(workspace)
    expect(inputs).toMatchObject({
      containerfileText: text,
      context: { paths: expect.arrayContaining(['Containerfile', 'etc/motd']) as string[] },
      bases: [{ reference: `${host}/base:1`, digest: base }],
      diskBuilders: { s390x: { reference: `${host}/bib:latest`, digest: tool } },
      facts: {
        image: 'lab',
        rootfs: 'xfs',
        buildArgs: { BASE: `${host}/base:1` },
        formats: { x86_64: ['raw'], s390x: ['qcow2'] },
      },
    })
    expect(JSON.parse(JSON.stringify(inputs.facts))).toEqual(inputs.facts)
  })

  it('never hold the value of a secret', async () => {
    await using workspace = await makeWorkspace({
      'factory.yaml': yaml('containerfile: image/Containerfile\n  secrets: { token: secrets/token }'),
      'image/Containerfile': `FROM ${host}/base:1\n`,
      'secrets/token': 'canary-5f2',
    })
    const inputs = await read(workspace)
    expect(inputs.facts.secrets).toEqual(['token'])
    expect(JSON.stringify(inputs)).not.toContain('canary-5f2')
  })

  it('ask each reference only once, however often it is used', async () => {
    await using workspace = await makeWorkspace({
      'factory.yaml': yaml('containerfile: Containerfile', { tool: `${host}/base:1` }),
      Containerfile: `FROM ${host}/base:1\nFROM ${host}/base:1\n`,
    })
    const asked: string[] = []
    const client = registryClient()
    await read(workspace, {
      registry: {
        resolve: (reference, ctx) => {
          asked.push(reference)
          return client.resolve(reference, ctx)
        },
      },
    })
    expect(asked).toEqual([`${host}/base:1`])
  })

  it('may be a finished image instead of a Containerfile', async () => {
    await using workspace = await makeWorkspace({ 'factory.yaml': yaml(`ref: ${host}/base:1`) })
    const inputs = await read(workspace)
    expect(inputs).toMatchObject({ bases: [], existing: { reference: `${host}/base:1`, digest: base } })
    expect(inputs.context).toBeUndefined()
  })

  it('keep a digest that is written down, although its tag has moved', async () => {
    const old = await pushIndex(host, 'moving', '1', architectureNames, { salt: 'old' })
    await pushIndex(host, 'moving', '1', architectureNames, { salt: 'new' })
    await using workspace = await makeWorkspace({
      'factory.yaml': yaml('containerfile: Containerfile'),
      Containerfile: `FROM ${host}/moving:1@${old}\n`,
    })
    expect((await read(workspace)).bases).toEqual([{ reference: `${host}/moving:1@${old}`, digest: old }])
  })

  it('say which commit they come from, whether it is all of it, and from where, without a password', async () => {
    await using workspace = await makeWorkspace({
      'factory.yaml': yaml('containerfile: image/Containerfile'),
      'image/Containerfile': `FROM ${host}/base:1\n`,
    })
    const git = (...words: string[]) =>
      execa('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', ...words], {
        cwd: workspace.directory,
      })
    expect((await read(workspace)).git).toBeUndefined()
    await git('init', '-q')
    await git('add', '.')
    await git('commit', '-q', '-m', 'one')
    await git('remote', 'add', 'origin', 'https://user:token@git.example.com/images.git')
    const commit = (await git('rev-parse', 'HEAD')).stdout
    const remote = 'https://git.example.com/images.git'
    const clean = await read(workspace)
    expect(clean.git).toEqual({ commit, dirty: false, remote })
    await workspace.write('elsewhere', 'not in the context')
    expect((await read(workspace)).git).toEqual({ commit, dirty: false, remote })
    await workspace.write('image/new', 'x')
    expect((await read(workspace)).git).toEqual({ commit, dirty: true, remote })
  })
})

describe('inputs that cannot work', () => {
  const withBase = (reference: string, builders?: string) => ({
    'factory.yaml': yaml('containerfile: Containerfile', builders === undefined ? {} : { builders }),
    Containerfile: `# the base\nFROM ${reference}\n`,
  })

  it('are refused when a digest is that of one architecture', async () => {
    const digest = await pushImage(host, 'base', 'x86_64')
    const reference = `${host}/base:1@${digest}`
    expect(await failure(withBase(reference))).toMatchObject({
      code: 'base-not-multiarch',
      message: `Containerfile:2:1: ${reference} is the image of one architecture (x86_64) and no multi-architecture index, but several architectures are built from it`,
      hint: `Write a tag, which every release pins by itself, or the digest of the index: skopeo inspect --raw docker://${host}/base:1 | sha256sum`,
    })
    expect(await failure(withBase(reference), { architectures: ['x86_64'] })).toMatchObject({
      code: 'base-not-multiarch',
    })
  })

  it('may be of one architecture when it is the only one', async () => {
    const digest = await pushImage(host, 'base', 'x86_64')
    await using workspace = await makeWorkspace(withBase(`${host}/base@${digest}`, '{ x86_64: [lab] }'))
    await expect(read(workspace)).resolves.toMatchObject({ bases: [{ digest }] })
    expect(await failure(withBase(`${host}/base@${digest}`, '{ s390x: [lab] }'))).toMatchObject({
      code: 'base-lacks-architecture',
      message: expect.stringContaining('has no image for s390x; it has only x86_64') as string,
    })
  })

  it('are refused when a digest is dead', async () => {
    const digest = await pushIndex(host, 'dead', '1', architectureNames)
    await removeManifest(host, 'dead', digest)
    expect(await failure(withBase(`${host}/dead@${digest}`))).toMatchObject({
      code: 'image-not-found',
      message: `Containerfile:2:1: there is no image ${host}/dead@${digest}: manifest unknown`,
      hint: expect.stringContaining('pin again') as string,
    })
  })

  it('are refused when an asked architecture is missing, and only then', async () => {
    await pushIndex(host, 'two', '1', ['x86_64', 'aarch64'])
    const files = withBase(`${host}/two:1`)
    expect(await failure(files)).toMatchObject({
      code: 'base-lacks-architecture',
      message: `Containerfile:2:1: ${host}/two:1 has no image for ppc64le, s390x; it has only x86_64, aarch64`,
      hint: 'Take another image or tag, or leave the architecture out: --arch x86_64, or its entry under builders.',
    })
    await using workspace = await makeWorkspace(files)
    await expect(read(workspace, { architectures: ['aarch64'] })).resolves.toMatchObject({ diskBuilders: {} })
  })

  it('are all told at once, each where it stands', async () => {
    const single = await pushImage(host, 'base', 's390x')
    await pushIndex(host, 'small', '1', ['x86_64'])
    const files = {
      'deploy/factory.yaml': yaml('containerfile: image/Containerfile', {
        tool: `{ x86_64: ${host}/bib:latest, aarch64: ${host}/small:1, ppc64le: ${host}/none:1, s390x: ${host}/bib:latest }`,
      }),
      'deploy/image/Containerfile': `FROM ${host}/base@${single}\nCOPY --from=${host}/small:1 / /\n`,
    }
    await using workspace = await makeWorkspace(files)
    const configuration = await loadConfiguration('deploy/factory.yaml', workspace.directory, {})
    const reading = readInputs(configuration, { registry: registryClient() }, testContext())
    const error = (await reading.catch((caught: unknown) => caught)) as { code: string; message: string }
    expect(error.code).toBe('inputs-invalid')
    expect(error.message.replaceAll(host, 'HOST').replaceAll(single, 'DIGEST')).toMatchInlineSnapshot(`
      "4 problems in deploy/factory.yaml, deploy/image/Containerfile:
        deploy/factory.yaml:5:59: HOST/small:1 has no image for aarch64; it has only x86_64
        deploy/factory.yaml:5:93: there is no image HOST/none:1: manifest unknown
        deploy/image/Containerfile:1:1: HOST/base@DIGEST is the image of one architecture (s390x) and no multi-architecture index, but several architectures are built from it
        deploy/image/Containerfile:2:1: HOST/small:1 has no image for aarch64, ppc64le, s390x; it has only x86_64"
    `)
  })

  it('name the registry when it is out of reach', async () => {
    const server = await startHttp(() => undefined)
    await server[Symbol.asyncDispose]()
    const patience = { attemptMs: 1000, attempts: 1, pauseMs: 1, longestPauseMs: 1 }
    const error = await failure(withBase(`${server.host}/base:1`), { registry: registryClient({ patience }) })
    expect(error).toMatchObject({
      code: 'registry-unreachable',
      class: 'infra',
      message: expect.stringContaining(
        `Containerfile:2:1: the registry ${server.host} cannot be reached`,
      ) as string,
    })
  })

  it('are refused for the Containerfile before any registry is asked', async () => {
    const files = { 'factory.yaml': yaml('containerfile: Containerfile'), Containerfile: 'FROM $NOTHING\n' }
    const nobody = { resolve: () => Promise.reject(new Error('asked')) }
    expect(await failure(files, { registry: nobody })).toMatchObject({
      code: 'containerfile-invalid',
      message: 'Containerfile:1:1: FROM uses $NOTHING, but NOTHING has no value',
    })
  })
})
