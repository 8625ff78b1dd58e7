import { createHash } from 'node:crypto'
import { architectureNames, architectures } from '#arch/index.ts'

export interface Manifest {
  mediaType: string
  digest: string
  body: Buffer
}

const layerBytes = 10 * 1024 ** 2

/** What a registry has under every tag: an index with an image for each architecture. By tag and by digest. */
export function manifests(tag: string): ReadonlyMap<string, Manifest> {
  const images = architectureNames.map((arch) => {
    const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf(arch), size: 1 }
    const image = manifest('manifest', { config, layers: [{ size: layerBytes }] })
    return { image, platform: { os: 'linux', architecture: architectures[arch].oci } }
  })
  const entries = images.map(({ image, platform }) => ({ digest: image.digest, platform }))
  const index = manifest('index', { manifests: entries })
  const all = [index, ...images.map(({ image }) => image)]
  return new Map([[tag, index], ...all.map((one) => [one.digest, one] as const)])
}

function manifest(kind: 'index' | 'manifest', content: object): Manifest {
  const mediaType = `application/vnd.oci.image.${kind}.v1+json`
  const body = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...content }))
  return { mediaType, digest: digestOf(body), body }
}

function digestOf(content: string | Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`
}
