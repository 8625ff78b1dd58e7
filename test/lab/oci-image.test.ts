import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { isRegistry, startRegistry } from '#test/servers/registry.ts'
import { pushedDigest, pushImage } from './oci-image.ts'
import { layerOf } from './oci-standin-host.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'oci-image-'))
})
afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

test('pushes one index over the architectures and knows it again by its recipe', async () => {
  await using registry = await startRegistry()
  const layer = await layerOf(directory, { '/etc/motd': 'hello\n' })
  const again = await layerOf(directory, { '/etc/motd': 'hello\n' })
  expect(again.digest).toBe(layer.digest)

  const reference = `${registry.host}/lab/test:one`
  expect(await pushedDigest(reference, 'recipe')).toBeUndefined()
  const contents = [
    { arch: 'x86_64', layers: [layer] },
    { arch: 's390x', layers: [layer] },
  ] as const
  const digest = await pushImage(reference, 'recipe', contents, { labels: { 'containers.bootc': '1' } })
  expect(await pushedDigest(reference, 'recipe')).toBe(digest)
  expect(await pushedDigest(reference, 'another recipe')).toBeUndefined()

  const index = await fetch(`http://${registry.host}/v2/lab/test/manifests/${digest}`, {
    headers: { accept: 'application/vnd.oci.image.index.v1+json' },
  })
  const { manifests } = (await index.json()) as { manifests: { platform: { architecture: string } }[] }
  expect(manifests.map(({ platform }) => platform.architecture)).toEqual(['amd64', 's390x'])
})

test('serves a registry that deletes, and ends it with everything it kept', async () => {
  let port: number
  {
    await using registry = await startRegistry()
    port = registry.port
    const layer = await layerOf(directory, { '/x': 'y' })
    const reference = `${registry.host}/lab/test:one`
    const digest = await pushImage(reference, 'recipe', [{ arch: 'x86_64', layers: [layer] }], { labels: {} })
    const deleted = await fetch(`http://${registry.host}/v2/lab/test/manifests/${digest}`, {
      method: 'DELETE',
    })
    expect(deleted.status).toBe(202)
    expect(await pushedDigest(reference, 'recipe')).toBeUndefined()
  }
  expect(await isRegistry(port)).toBe(false)
})
