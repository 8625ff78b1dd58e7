import { createHash } from 'node:crypto'
import { copyFile, link, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { architectures, type ArchitectureName } from '#arch/index.ts'
import { labCacheDirectory } from './cache.ts'
import type { Layer } from './oci-layer.ts'

/** What a container image is for one architecture; lowest layer first. */
export interface ImageContent {
  readonly arch: ArchitectureName
  readonly layers: readonly Layer[]
}

/** The part of an image's configuration that is the same on every architecture. */
export interface ImageSettings {
  readonly labels: Readonly<Record<string, string>>
  readonly entrypoint?: readonly string[]
  readonly command?: readonly string[]
  readonly workingDirectory?: string
}

interface Descriptor {
  mediaType: string
  digest: string
  size: number
  platform?: { architecture: string; os: 'linux' }
}

const recipeAnnotation = 'org.opencontainers.image.revision'
const indexType = 'application/vnd.oci.image.index.v1+json'
const manifestType = 'application/vnd.oci.image.manifest.v1+json'
const pushDeadlineMs = 3 * 60_000

/** The digest of the index under `reference` (`host:port/name:tag`) when it was made from this recipe, else undefined. */
export async function pushedDigest(reference: string, recipe: string): Promise<string | undefined> {
  const [, host, name, tag] = /^([^/]+)\/(.+):([^:]+)$/.exec(reference) ?? []
  const answer = await fetch(`http://${host}/v2/${name}/manifests/${tag}`, {
    headers: { accept: indexType },
    signal: AbortSignal.timeout(10_000),
  })
  const text = await answer.text()
  if (!answer.ok) return undefined
  const index = JSON.parse(text) as { annotations?: Record<string, string> }
  return index.annotations?.[recipeAnnotation] === recipe ? digestOf(text) : undefined
}

/**
 * Makes one multi-arch image out of its architectures' layers and pushes it to `reference` in a registry that speaks
 * plain HTTP; no container engine takes part. Returns the digest of the index.
 */
export async function pushImage(
  reference: string,
  recipe: string,
  contents: readonly ImageContent[],
  settings: ImageSettings,
): Promise<string> {
  await mkdir(labCacheDirectory(), { recursive: true })
  const layout = await mkdtemp(join(labCacheDirectory(), `.making.${process.pid}.layout-`))
  try {
    const digest = await writeLayout(layout, recipe, contents, settings)
    const copy = ['copy', '--all', '--preserve-digests', '--dest-tls-verify=false', '--quiet']
    await execa('skopeo', ['--insecure-policy', ...copy, `oci:${layout}`, `docker://${reference}`], {
      timeout: pushDeadlineMs,
    })
    return digest
  } finally {
    await rm(layout, { recursive: true, force: true })
  }
}

/** Writes an OCI image layout with one index over all architectures; returns the digest of that index. */
export async function writeLayout(
  directory: string,
  recipe: string,
  contents: readonly ImageContent[],
  settings: ImageSettings,
): Promise<string> {
  await mkdir(join(directory, 'blobs/sha256'), { recursive: true })
  const manifests: Descriptor[] = []
  for (const content of contents) manifests.push(await writeArchitecture(directory, content, settings))

  const annotations = { [recipeAnnotation]: recipe }
  const index = { schemaVersion: 2, mediaType: indexType, manifests, annotations }
  const descriptor = await writeBlob(directory, indexType, index)
  await writeFile(join(directory, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
  await writeFile(
    join(directory, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }),
  )
  return descriptor.digest
}

async function writeArchitecture(
  directory: string,
  content: ImageContent,
  settings: ImageSettings,
): Promise<Descriptor> {
  const platform = { architecture: architectures[content.arch].oci, os: 'linux' } as const
  const configuration = {
    ...platform,
    config: {
      Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      Labels: settings.labels,
      ...(settings.entrypoint && { Entrypoint: settings.entrypoint }),
      ...(settings.command && { Cmd: settings.command }),
      ...(settings.workingDirectory && { WorkingDir: settings.workingDirectory }),
    },
    rootfs: { type: 'layers', diff_ids: content.layers.map((layer) => layer.diffId) },
    history: content.layers.map(() => ({ created_by: 'image factory lab' })),
  }
  const layers: Descriptor[] = []
  for (const layer of content.layers) layers.push(await addLayer(directory, layer))
  const config = await writeBlob(directory, 'application/vnd.oci.image.config.v1+json', configuration)
  const manifest = { schemaVersion: 2, mediaType: manifestType, config, layers }
  return { ...(await writeBlob(directory, manifestType, manifest)), platform }
}

async function addLayer(directory: string, layer: Layer): Promise<Descriptor> {
  const path = blobPath(directory, layer.digest)
  // The layout usually lies beside the layers; a link costs nothing there.
  await link(layer.path, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') return copyFile(layer.path, path)
  })
  return {
    mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd',
    digest: layer.digest,
    size: layer.sizeBytes,
  }
}

async function writeBlob(directory: string, mediaType: string, value: unknown): Promise<Descriptor> {
  const text = JSON.stringify(value)
  const digest = digestOf(text)
  const path = blobPath(directory, digest)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text)
  return { mediaType, digest, size: Buffer.byteLength(text) }
}

function blobPath(directory: string, digest: string): string {
  return join(directory, 'blobs', digest.replace(':', '/'))
}

function digestOf(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`
}
