import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { architectureNames } from '#arch/index.ts'
import { registryClient } from '#src/registry/client.ts'
import { digestOf, mediaTypes } from '#src/registry/repository.ts'
import { startRegistry } from '#test/servers/registry.ts'
import type { RegistryServer } from '#test/servers/registry.ts'
import { testContext } from './context.ts'
import { pushImage, pushIndex, removeManifest } from './images.ts'
import { startHttp } from './servers.ts'

const patience = { attemptMs: 5000, attempts: 3, pauseMs: 100, longestPauseMs: 30_000 }
const client = registryClient({ patience })
const nowhere = `sha256:${'0'.repeat(64)}`

describe('resolving at a real registry', () => {
  let registry: RegistryServer
  beforeAll(async () => {
    registry = await startRegistry()
  })
  afterAll(() => registry[Symbol.asyncDispose]())

  it('finds the digest of an index and the manifest of every architecture', async () => {
    const digest = await pushIndex(registry.host, 'base', 'all', architectureNames)
    const reference = `${registry.host}/base:all`
    const resolved = await client.resolve(reference, testContext())
    expect(resolved).toMatchObject({ reference, digest, kind: 'index' })
    expect(Object.keys(resolved.manifests)).toEqual([...architectureNames])
    expect(resolved.manifests.s390x).toBe(await pushImage(registry.host, 'base', 's390x'))
  })

  it('believes the digest and not the tag where both are written', async () => {
    const digest = await pushIndex(registry.host, 'moved', '1', ['x86_64'])
    await pushIndex(registry.host, 'moved', '1', ['x86_64', 's390x'])
    const reference = `${registry.host}/moved:1@${digest}`
    await expect(client.resolve(reference, testContext())).resolves.toMatchObject({ digest })
  })

  it('takes latest where no tag is written', async () => {
    const digest = await pushIndex(registry.host, 'untagged', 'latest', ['x86_64'])
    await expect(client.resolve(`${registry.host}/untagged`, testContext())).resolves.toMatchObject({
      digest,
    })
  })

  it('says which architecture a single manifest is for', async () => {
    const digest = await pushImage(registry.host, 'single', 'ppc64le', { tag: '1' })
    await expect(client.resolve(`${registry.host}/single:1`, testContext())).resolves.toEqual({
      reference: `${registry.host}/single:1`,
      digest,
      kind: 'manifest',
      manifests: { ppc64le: digest },
    })
  })

  it('passes over attestations and variants, and understands RPM names of architectures', async () => {
    const host = registry.host
    const variant = await pushImage(host, 'odd', 'x86_64', { salt: 'v3' })
    const rpm = await pushImage(host, 'odd', 'aarch64', { salt: 'rpm' })
    const entry = (digest: string, platform: object) => ({
      mediaType: mediaTypes.manifest,
      digest,
      size: 1,
      platform,
    })
    await pushIndex(host, 'odd', '1', ['x86_64'], {
      extra: [
        entry(variant, { os: 'linux', architecture: 'amd64', variant: 'v3' }),
        entry(variant, { os: 'unknown', architecture: 'unknown' }),
        entry(variant, { os: 'windows', architecture: 'arm64' }),
        entry(rpm, { os: 'linux', architecture: 'aarch64' }),
      ],
    })
    const { manifests } = await client.resolve(`${host}/odd:1`, testContext())
    expect(manifests).toEqual({ x86_64: await pushImage(host, 'odd', 'x86_64'), aarch64: rpm })
  })

  it('says so when the tag, the repository or the digest is not there', async () => {
    const { host } = registry
    const digest = await pushIndex(host, 'gone', '1', ['x86_64'])
    await removeManifest(host, 'gone', digest)
    const failing = (reference: string) => client.resolve(reference, testContext())
    await expect(failing(`${host}/gone:2`)).rejects.toMatchObject({
      code: 'image-not-found',
      class: 'user',
      message: `there is no image ${host}/gone:2: manifest unknown`,
      hint: `See what there is: skopeo list-tags docker://${host}/gone`,
    })
    await expect(failing(`${host}/gone@${digest}`)).rejects.toMatchObject({
      code: 'image-not-found',
      message: `there is no image ${host}/gone@${digest}: manifest unknown`,
      hint: expect.stringContaining('The digest is gone or never was there') as string,
    })
    await expect(failing(`${host}/never/was:1`)).rejects.toMatchObject({ code: 'image-not-found' })
  })
})

describe('resolving when the registry is in trouble', () => {
  const index = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] })
  const good = { 'content-type': mediaTypes.index }

  it('waits as long as Retry-After says, then goes on', async () => {
    let calls = 0
    await using server = await startHttp((_request, response) => {
      calls += 1
      if (calls === 1) response.writeHead(429, { 'retry-after': '7' }).end()
      else if (calls === 2) response.writeHead(503, { 'retry-after': 'Sat, 21 Nov 2026 00:00:09 GMT' }).end()
      else response.writeHead(200, good).end(index)
    })
    const ctx = testContext()
    await expect(client.resolve(`${server.host}/a:1`, ctx)).resolves.toMatchObject({
      digest: digestOf(index),
    })
    expect(ctx.pauses).toEqual([7000, 9000])
    expect(ctx.lines[0]).toBe(`${server.host}: it answers 429 (too many requests); trying again in 7 s`)
  })

  it('gives up after some attempts, each pause longer than the one before', async () => {
    await using server = await startHttp((_request, response) => void response.writeHead(502).end())
    const ctx = testContext()
    await expect(client.resolve(`${server.host}/a:1`, ctx)).rejects.toMatchObject({
      code: 'registry-unreachable',
      class: 'infra',
      message: `the registry ${server.host} cannot be reached: it answers 502 (3 attempts)`,
    })
    expect(server.requests).toHaveLength(3)
    expect(ctx.pauses[1]).toBeGreaterThan(ctx.pauses[0] ?? Infinity)
  })

  it('does not sit out a very long Retry-After', async () => {
    await using server = await startHttp((_request, response) => {
      response.writeHead(429, { 'retry-after': '86400' }).end()
    })
    await expect(client.resolve(`${server.host}/a:1`, testContext())).rejects.toMatchObject({
      message: `the registry ${server.host} cannot be reached: it answers 429 (too many requests)`,
    })
    expect(server.requests).toHaveLength(1)
  })

  it('names the host when nothing listens there', async () => {
    const server = await startHttp(() => undefined)
    await server[Symbol.asyncDispose]()
    await expect(client.resolve(`${server.host}/a:1`, testContext())).rejects.toMatchObject({
      code: 'registry-unreachable',
      message: expect.stringContaining(
        `the registry ${server.host} cannot be reached: connect ECONNREFUSED`,
      ) as string,
      hint: `Try: curl -sS http://${server.host}/v2/`,
    })
  })

  it('does not wait for ever for a registry that says nothing', async () => {
    await using server = await startHttp(() => undefined)
    const impatient = registryClient({ patience: { ...patience, attemptMs: 100, attempts: 1 } })
    await expect(impatient.resolve(`${server.host}/a:1`, testContext())).rejects.toMatchObject({
      message: `the registry ${server.host} cannot be reached: it does not answer in time`,
    })
  })

  it('stops at once when it is told to', async () => {
    const stop = new AbortController()
    await using server = await startHttp(() => stop.abort(new Error('Ctrl-C')))
    await expect(client.resolve(`${server.host}/a:1`, testContext(stop.signal))).rejects.toThrow('Ctrl-C')
    expect(server.requests).toHaveLength(1)
  })

  it('speaks https to every host but this machine', async () => {
    await using server = await startHttp((_request, response) => {
      response.writeHead(200, good).end(index)
    })
    const elsewhere = server.host.replace('localhost', '[::ffff:7f00:1]')
    const once = registryClient({ patience: { ...patience, attempts: 1 } })
    await expect(once.resolve(`${elsewhere}/a:1`, testContext())).rejects.toMatchObject({
      code: 'registry-unreachable',
      hint: expect.stringContaining('spoken to over https') as string,
    })
    expect(server.requests).toEqual([])
  })

  it('refuses content that is not what the digest says', async () => {
    await using server = await startHttp((_request, response) => {
      response.writeHead(200, good).end(index)
    })
    await expect(client.resolve(`${server.host}/a@${nowhere}`, testContext())).rejects.toMatchObject({
      code: 'registry-bad-answer',
      message: `the registry ${server.host} gave an answer that cannot be used: for ${nowhere} of a it sends content with the digest ${digestOf(index)}`,
    })
  })

  it('refuses content that is not what its own header says', async () => {
    await using server = await startHttp((_request, response) => {
      response.writeHead(200, { ...good, 'docker-content-digest': nowhere }).end(index)
    })
    await expect(client.resolve(`${server.host}/a:1`, testContext())).rejects.toMatchObject({
      code: 'registry-bad-answer',
    })
  })

  it('refuses a manifest of many megabytes without keeping it', async () => {
    await using server = await startHttp((_request, response) => {
      response.writeHead(200, good)
      for (let part = 0; part < 6; part += 1) response.write(Buffer.alloc(1024 * 1024, 32))
      response.end()
    })
    await expect(client.resolve(`${server.host}/a:1`, testContext())).rejects.toMatchObject({
      code: 'registry-bad-answer',
      message: expect.stringContaining('more than 4194304 bytes') as string,
    })
  })

  it.each([
    ['a web page', 'text/html', '<html>', 'image-unknown-format'],
    [
      'an old manifest',
      'application/vnd.docker.distribution.manifest.v1+prettyjws',
      '{}',
      'image-unknown-format',
    ],
    ['broken JSON', mediaTypes.index, '{', 'registry-bad-answer'],
    [
      'an index with a bad digest',
      mediaTypes.index,
      '{"manifests":[{"digest":"../x"}]}',
      'registry-bad-answer',
    ],
  ])('refuses %s', async (_name, type, body, code) => {
    await using server = await startHttp((_request, response) => {
      response.writeHead(200, { 'content-type': type }).end(body)
    })
    await expect(client.resolve(`${server.host}/a:1`, testContext())).rejects.toMatchObject({ code })
  })
})
