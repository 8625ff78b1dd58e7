import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { architectureNames } from '#arch/index.ts'
import { registryClient } from '#src/registry/client.ts'
import { mediaTypes } from '#src/registry/repository.ts'
import { startRegistry } from '#test/servers/registry.ts'
import type { RegistryServer } from '#test/servers/registry.ts'
import { testContext } from './context.ts'
import { pushImage } from './images.ts'
import { startHttp } from './servers.ts'

const client = registryClient()

describe('writing an index', () => {
  let registry: RegistryServer
  beforeAll(async () => {
    registry = await startRegistry()
  })
  afterAll(() => registry[Symbol.asyncDispose]())

  const entriesFor = (repository: string, names: readonly (typeof architectureNames)[number][]) =>
    Promise.all(
      names.map(async (arch) => ({ arch, digest: await pushImage(registry.host, repository, arch) })),
    )

  it('gives one reference from which every architecture finds its own image', async () => {
    const entries = await entriesFor('all', architectureNames)
    const annotations = { 'org.opencontainers.image.version': '20261121.0' }
    const request = { repository: `${registry.host}/all`, tag: '20261121.0', entries, annotations }
    const written = await client.writeIndex(request, testContext())
    expect(written.reference).toBe(`${registry.host}/all:20261121.0`)

    const answer = await fetch(`http://${registry.host}/v2/all/manifests/${written.digest}`, {
      headers: { accept: mediaTypes.index },
    })
    const index = (await answer.json()) as {
      annotations: object
      manifests: { size: number; platform: object }[]
    }
    expect(index.annotations).toEqual(annotations)
    expect(index.manifests.map(({ platform }) => platform)).toEqual(
      ['amd64', 'arm64', 'ppc64le', 's390x'].map((architecture) => ({ architecture, os: 'linux' })),
    )
    expect(index.manifests.every(({ size }) => size > 100)).toBe(true)
    const resolved = await client.resolve(written.reference, testContext())
    expect(resolved.manifests).toEqual(Object.fromEntries(entries.map(({ arch, digest }) => [arch, digest])))
  })

  it('gives the same digest whatever the order, and leaves nothing of the index before', async () => {
    const entries = await entriesFor('again', ['x86_64', 's390x'])
    const repository = `${registry.host}/again`
    const first = await client.writeIndex({ repository, tag: '1', entries }, testContext())
    const second = await client.writeIndex(
      { repository, tag: '1', entries: entries.toReversed() },
      testContext(),
    )
    expect(second).toEqual(first)
    await client.writeIndex({ repository, tag: '1', entries: entries.slice(0, 1) }, testContext())
    const { manifests } = await client.resolve(first.reference, testContext())
    expect(Object.keys(manifests)).toEqual(['x86_64'])
  })

  it('writes nothing when a manifest has not arrived', async () => {
    const digest = `sha256:${'1'.repeat(64)}`
    const entries = [...(await entriesFor('half', ['x86_64'])), { arch: 's390x' as const, digest }]
    const request = { repository: `${registry.host}/half`, tag: '1', entries }
    await expect(client.writeIndex(request, testContext())).rejects.toMatchObject({
      code: 'image-not-found',
      message: expect.stringContaining(`${registry.host}/half@${digest}`) as string,
    })
    await expect(client.resolve(`${registry.host}/half:1`, testContext())).rejects.toMatchObject({
      code: 'image-not-found',
    })
  })

  it('writes nothing when a manifest is for another architecture than was said', async () => {
    const digest = await pushImage(registry.host, 'liar', 'aarch64')
    const entries = [{ arch: 's390x' as const, digest }]
    const request = { repository: `${registry.host}/liar`, tag: '1', entries }
    await expect(client.writeIndex(request, testContext())).rejects.toMatchObject({
      code: 'index-entry-wrong',
      message: `${registry.host}/liar@${digest} was pushed as the s390x image, but it is one for aarch64`,
    })
  })

  it('fails when the registry holds something else afterwards', async () => {
    const entries = await entriesFor('race', ['x86_64', 's390x'])
    const repository = `${registry.host}/race`
    const other = await client.writeIndex(
      { repository, tag: 'other', entries: entries.slice(0, 1) },
      testContext(),
    )
    await using forgetful = await startHttp(async (request, response) => {
      if (request.method === 'PUT') return void response.writeHead(201).end()
      const path = request.url?.replace('manifests/1', 'manifests/other')
      const answer = await fetch(`http://${registry.host}${path}`, {
        headers: { accept: request.headers.accept ?? '*/*' },
      })
      response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' })
      response.end(Buffer.from(await answer.arrayBuffer()))
    })
    const request = { repository: `${forgetful.host}/race`, tag: '1', entries }
    await expect(client.writeIndex(request, testContext())).rejects.toMatchObject({
      code: 'index-mismatch',
      message: expect.stringMatching(
        new RegExp(
          `:1 was written as sha256:\\w+, but the registry holds ${other.digest}; it differs for s390x$`,
        ),
      ) as string,
    })
  })
})
