import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { podman } from '#src/container/podman.ts'
import type { ContainerRequest, PushRequest } from '#src/container/types.ts'
import { bashBuilder, recordingContext, type BashBuilder } from './bash-builder.ts'
import { storedImage } from './podman-store.ts'

const digest = `sha256:${'ab'.repeat(32)}`
const base = { reference: 'quay.io/fedora/fedora-bootc:44', digest }
const pinned = `quay.io/fedora/fedora-bootc@${digest}`

async function request(
  builder: BashBuilder,
  containerfile = 'FROM quay.io/fedora/fedora-bootc:44\nRUN dnf -y install foo',
  change: Partial<ContainerRequest> = {},
): Promise<ContainerRequest> {
  const contextDirectory = join(builder.directory, "the user's $(context)")
  await mkdir(contextDirectory, { recursive: true })
  await writeFile(join(contextDirectory, 'Containerfile'), containerfile)
  return {
    arch: 'x86_64',
    jobId: 'copr-x86-64-5f',
    contextDirectory,
    containerfile: join(contextDirectory, 'Containerfile'),
    bases: [base],
    buildArgs: {},
    secrets: {},
    tag: 'localhost/copr-builder:20261121.0',
    labels: {},
    identity: 'release=20261121.0\n',
    logDirectory: join(builder.directory, 'logs'),
    limitMs: 60_000,
    ...change,
  }
}

async function builderWithBase(change = {}): Promise<BashBuilder> {
  const builder = await bashBuilder()
  await builder.store((store) => void (store.registry[pinned] = storedImage('base', change)))
  return builder
}

describe('a container build', () => {
  test('pulls the base by digest, names it as the Containerfile does, and adds identity and labels on top', async () => {
    await using builder = await builderWithBase()
    const labels = { 'org.opencontainers.image.version': '20261121.0' }
    const result = await podman.build(
      builder,
      await request(builder, undefined, { labels }),
      recordingContext(),
    )

    const { images, calls } = await builder.store()
    const made = images['localhost/copr-builder:20261121.0']
    expect(result).toEqual({
      imageId: `sha256:${made?.id}`,
      tag: 'localhost/copr-builder:20261121.0',
      sizeBytes: 1_234_567,
    })
    expect(made?.labels).toEqual({ 'containers.bootc': '1', ...labels })
    expect(made?.files['/usr/lib/image-factory/release']).toBe('release=20261121.0\n')
    expect(calls).toContainEqual(['pull', pinned])
    expect(calls).toContainEqual(['tag', pinned, 'quay.io/fedora/fedora-bootc:44'])
    const layers = calls.find(([subcommand]) => subcommand === 'build')
    expect(layers?.join(' ')).not.toContain('--label')
  })

  test('does not pull a base that the builder has already', async () => {
    await using builder = await builderWithBase()
    await builder.store((store) => void (store.images[pinned] = storedImage('base')))
    await podman.build(builder, await request(builder), recordingContext())
    expect((await builder.store()).calls.map(([subcommand]) => subcommand)).not.toContain('pull')
  })

  test('passes values with quotes, dollars, backticks and newlines on unchanged and runs none of them', async () => {
    await using builder = await builderWithBase()
    const nasty = `it's "$(touch ${builder.directory}/pwned)" \`id\`; exit 1 #\n\\ *`
    const nastySecret = join(builder.directory, `a 'secret' $(file)`)
    await writeFile(nastySecret, 'token')
    const change = {
      buildArgs: { WHAT: nasty, '--EVIL': '-x' },
      labels: { nasty },
      identity: nasty,
      secrets: { token: nastySecret },
    }
    await podman.build(builder, await request(builder, undefined, change), recordingContext())

    const made = (await builder.store()).images['localhost/copr-builder:20261121.0']
    expect(made?.labels['nasty']).toBe(nasty)
    expect(made?.files['/usr/lib/image-factory/release']).toBe(nasty)
    expect(made?.files['build-args']).toBe(`WHAT=${nasty}\n--EVIL=-x`)
    const listing = await builder.exec(['find', builder.directory, '-name', 'pwned*'])
    expect(listing.stdout).toBe('')
  })

  test.each([
    ['localhost/x:1; reboot', 'bad-image-tag'],
    ['localhost/x@sha256:123', 'bad-image-tag'],
    ['--help', 'bad-image-tag'],
    ['localhost/x:1\nfoo', 'bad-image-tag'],
  ])('refuses the tag %j before anything runs', async (tag, code) => {
    await using builder = await builderWithBase()
    const build = podman.build(builder, await request(builder, undefined, { tag }), recordingContext())
    await expect(build).rejects.toMatchObject({ code })
    expect(builder.jobs).toEqual([])
  })

  test.each([
    { reference: 'quay.io/x;reboot:1', digest },
    { reference: '$(id):1', digest },
    { reference: 'quay.io/x:1', digest: 'sha256:beef' },
    { reference: 'quay.io/x:1', digest: `${digest}\nx` },
  ])('refuses the base $reference with digest $digest', async (bad) => {
    await using builder = await builderWithBase()
    const build = podman.build(
      builder,
      await request(builder, undefined, { bases: [bad] }),
      recordingContext(),
    )
    await expect(build).rejects.toMatchObject({ code: 'bad-image-reference', class: 'user' })
    expect(builder.jobs).toEqual([])
  })

  test('refuses a secret whose name would add fields to --secret', async () => {
    await using builder = await builderWithBase()
    const secrets = { 'x,src=/etc/shadow': '/run/secrets/x' }
    const build = podman.build(builder, await request(builder, undefined, { secrets }), recordingContext())
    await expect(build).rejects.toMatchObject({ code: 'bad-secret-name' })
  })

  test('says the failing instruction and the last words of a Containerfile that fails', async () => {
    await using builder = await builderWithBase()
    const containerfile = 'FROM quay.io/fedora/fedora-bootc:44\nRUN fail to install foo'
    const build = podman.build(builder, await request(builder, containerfile), recordingContext())
    await expect(build).rejects.toMatchObject({
      code: 'containerfile-failed',
      class: 'user',
      message:
        'the Containerfile fails on x86_64 at STEP 2/2: RUN fail to install foo: while running runtime: exit status 3:\n' +
        '  No match for argument: foo',
    })
  })

  test('tells an image that was not pinned from a Containerfile that fails', async () => {
    await using builder = await builderWithBase()
    const build = podman.build(builder, await request(builder, 'FROM quay.io/other:1'), recordingContext())
    await expect(build).rejects.toMatchObject({ code: 'base-image-not-pinned' })
  })

  test('refuses an image without the bootc label', async () => {
    await using builder = await builderWithBase({ labels: {} })
    const build = podman.build(builder, await request(builder), recordingContext())
    await expect(build).rejects.toMatchObject({ code: 'image-not-bootc', class: 'user' })
  })

  test('refuses an image of another architecture than the builder', async () => {
    await using builder = await builderWithBase({ architecture: 's390x' })
    const build = podman.build(builder, await request(builder), recordingContext())
    await expect(build).rejects.toMatchObject({ code: 'container-wrong-architecture', class: 'user' })
  })

  test('reports each step of the Containerfile', async () => {
    await using builder = await builderWithBase()
    const ctx = recordingContext()
    await podman.build(builder, await request(builder), ctx)
    expect(ctx.emitted).toContainEqual({
      message: 'RUN dnf -y install foo',
      done: 2,
      total: 2,
      unit: 'steps',
    })
  })

  test('takes an existing image byte for byte, without identity layer', async () => {
    await using builder = await builderWithBase()
    const { contextDirectory: _context, containerfile: _file, ...rest } = await request(builder)
    const result = await podman.build(builder, { ...rest, existing: base }, recordingContext())
    expect(result.imageId).toBe(`sha256:${storedImage('base').id}`)
    expect((await builder.store()).calls.map(([subcommand]) => subcommand)).not.toContain('build')
  })

  test('goes on with the jobs of an earlier run instead of starting them again', async () => {
    await using builder = await builderWithBase()
    const same = await request(builder)
    await podman.build(builder, same, recordingContext())
    const { calls } = await builder.store()
    await podman.build(builder, same, recordingContext())
    const builds = (all: string[][]) => all.filter(([subcommand]) => subcommand === 'build').length
    expect(builds((await builder.store()).calls)).toBe(builds(calls))
  })

  test('stops when it is told to', async () => {
    await using builder = await builderWithBase()
    const stop = new AbortController()
    stop.abort(new Error('stopped by hand'))
    const build = podman.build(builder, await request(builder), recordingContext(stop.signal))
    await expect(build).rejects.toThrow('stopped by hand')
  })
})

describe('pulling a base', () => {
  test('is tried again when the registry hiccups', async () => {
    await using builder = await builderWithBase()
    const hiccup = { subcommand: 'pull', output: 'Error: 503 Service Unavailable\n', exitCode: 125 }
    await builder.store((store) => void store.scripted.push(hiccup, hiccup))
    const ctx = recordingContext()
    await podman.build(builder, await request(builder), ctx)
    expect(ctx.slept).toEqual([3000, 10_000])
  })

  test('is given up after three times', async () => {
    await using builder = await builderWithBase()
    const hiccup = { subcommand: 'pull', output: 'Error: 503 Service Unavailable\n', exitCode: 125 }
    await builder.store((store) => void store.scripted.push(hiccup, hiccup, hiccup))
    const build = podman.build(builder, await request(builder), recordingContext())
    await expect(build).rejects.toMatchObject({ code: 'base-image-pull-failed', class: 'infra' })
  })

  test.each([
    ['Error: reading manifest sha256:1 in quay.io/x: manifest unknown', 'base-image-not-found', 'user'],
    [
      'Error: unauthorized: access to the requested resource is not authorized',
      'base-image-unauthorized',
      'user',
    ],
    ['Error: writing blob: write /var/tmp/x: no space left on device', 'builder-disk-full', 'disk-full'],
  ])('is not tried again after %j', async (output, code, failureClass) => {
    await using builder = await builderWithBase()
    const refusal = { subcommand: 'pull', output: `${output}\n`, exitCode: 125 }
    await builder.store((store) => void store.scripted.push(refusal))
    const ctx = recordingContext()
    const build = podman.build(builder, await request(builder), ctx)
    await expect(build).rejects.toMatchObject({ code, class: failureClass })
    expect(ctx.slept).toEqual([])
  })
})

describe('what a build dies of', () => {
  test.each([
    ['Error: committing container: write: no space left on device\n', 125, 'builder-disk-full', 'disk-full'],
    ['STEP 1/1: RUN make\n', 137, 'builder-out-of-memory', 'infra'],
    [
      'error running container: from crun: setrlimit: Operation not permitted\nError: building at STEP "RUN x": y\n',
      1,
      'container-build-failed',
      'infra',
    ],
    ['Error: database is locked\n', 125, 'container-build-failed', 'infra'],
  ])('%j with exit code %i', async (output, exitCode, code, failureClass) => {
    await using builder = await builderWithBase()
    await builder.store((store) => void store.scripted.push({ subcommand: 'build', output, exitCode }))
    const build = podman.build(builder, await request(builder), recordingContext())
    await expect(build).rejects.toMatchObject({ code, class: failureClass })
  })
})

describe('pushing', () => {
  const pushRequest = {
    jobId: 'copr-x86-64-5f',
    tag: 'localhost/copr-builder:20261121.0',
    repository: 'localhost:5055/lab/copr-builder',
    remoteTag: '20261121.0-x86_64',
    limitMs: 60_000,
  }
  const push = (builder: BashBuilder, change: Partial<PushRequest> = {}) => {
    const logDirectory = join(builder.directory, 'logs')
    return podman.push(builder, { ...pushRequest, logDirectory, ...change }, recordingContext())
  }

  test('returns the digest of the manifest in the registry', async () => {
    await using builder = await bashBuilder()
    await builder.store((store) => void (store.images[pushRequest.tag] = storedImage('made')))
    const authFile = `/run/a 'b' $(c)/auth.json`
    const { digest: pushed } = await push(builder, { authFile })
    expect(pushed).toMatch(/^sha256:[0-9a-f]{64}$/)
    const { calls, registry } = await builder.store()
    expect(registry['localhost:5055/lab/copr-builder:20261121.0-x86_64']).toBeDefined()
    expect(calls[0]).toContain(authFile)
  })

  test('does not believe a digest that is none', async () => {
    await using builder = await bashBuilder()
    const output = 'Writing manifest\n'
    await builder.store((store) => void store.scripted.push({ subcommand: 'push', output, exitCode: 0 }))
    await expect(push(builder)).rejects.toMatchObject({ code: 'builder-answer-unreadable' })
  })

  test('names missing rights as such', async () => {
    await using builder = await bashBuilder()
    const output = 'Error: requested access to the resource is denied\n'
    await builder.store((store) => void store.scripted.push({ subcommand: 'push', output, exitCode: 125 }))
    await expect(push(builder)).rejects.toMatchObject({ code: 'push-unauthorized', class: 'permission' })
  })
})

describe('the probe', () => {
  test('says the version', async () => {
    await using builder = await bashBuilder()
    expect(await podman.probe(builder)).toEqual({ version: '5.4.2' })
  })

  test('says that podman is missing', async () => {
    await using builder = await bashBuilder()
    const missing = { subcommand: 'version', output: 'bash: podman: command not found\n', exitCode: 127 }
    await builder.store((store) => void store.scripted.push(missing))
    await expect(podman.probe(builder)).rejects.toMatchObject({ code: 'podman-missing' })
  })
})
