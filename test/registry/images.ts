import { createHash } from 'node:crypto'
import { architectures } from '#arch/index.ts'
import type { ArchitectureName } from '#arch/index.ts'
import { mediaTypes } from '#src/registry/repository.ts'

/** Pushes an empty image for the architecture and returns the digest of its manifest; `salt` makes it another image. */
export async function pushImage(
  host: string,
  repository: string,
  arch: ArchitectureName,
  options: { tag?: string; salt?: string } = {},
): Promise<string> {
  const config = JSON.stringify({
    architecture: architectures[arch].oci,
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [] },
    config: { Labels: { salt: options.salt ?? '' } },
  })
  const descriptor = await pushBlob(host, repository, config)
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...descriptor },
    layers: [],
  })
  return await putManifest(host, repository, options.tag ?? sha256(manifest), manifest, mediaTypes.manifest)
}

/** Pushes an image for each architecture and an index of them under the tag; returns the digest of the index. */
export async function pushIndex(
  host: string,
  repository: string,
  tag: string,
  names: readonly ArchitectureName[],
  options: { salt?: string; extra?: readonly object[] } = {},
): Promise<string> {
  const manifests: object[] = [...(options.extra ?? [])]
  for (const arch of names) {
    const digest = await pushImage(host, repository, arch, options)
    manifests.push({
      mediaType: mediaTypes.manifest,
      digest,
      size: 1,
      platform: { architecture: architectures[arch].oci, os: 'linux' },
    })
  }
  const index = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests })
  return await putManifest(host, repository, tag, index, mediaTypes.index)
}

/** Takes a manifest away, so that its digest is a dead one. */
export async function removeManifest(host: string, repository: string, digest: string): Promise<void> {
  const answer = await fetch(`http://${host}/v2/${repository}/manifests/${digest}`, { method: 'DELETE' })
  if (answer.status !== 202) throw new Error(`not removed: ${answer.status} ${await answer.text()}`)
}

async function putManifest(
  host: string,
  repository: string,
  name: string,
  body: string,
  mediaType: string,
): Promise<string> {
  const url = `http://${host}/v2/${repository}/manifests/${name}`
  const answer = await fetch(url, { method: 'PUT', headers: { 'content-type': mediaType }, body })
  if (answer.status !== 201) throw new Error(`not written: ${answer.status} ${await answer.text()}`)
  return sha256(body)
}

async function pushBlob(
  host: string,
  repository: string,
  text: string,
): Promise<{ digest: string; size: number }> {
  const start = await fetch(`http://${host}/v2/${repository}/blobs/uploads/`, { method: 'POST' })
  const url = new URL(start.headers.get('location') ?? '', `http://${host}`)
  const digest = sha256(text)
  url.searchParams.set('digest', digest)
  const headers = { 'content-type': 'application/octet-stream' }
  const answer = await fetch(url, { method: 'PUT', headers, body: text })
  if (answer.status !== 201) throw new Error(`blob not written: ${answer.status} ${await answer.text()}`)
  return { digest, size: Buffer.byteLength(text) }
}

function sha256(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`
}
