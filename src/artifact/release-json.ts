import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import { type ArchitectureName, type DiskFormat, architectureNames } from '#arch/index.ts'
import { imageMarks } from '#clouds/types.ts'
import { releaseCost } from './cost.ts'

const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/)

const imageFacts = z.strictObject({
  cloud: z.string(),
  kind: z.string(),
  region: z.string(),
  id: z.string(),
  name: z.string(),
  format: z.enum(['raw', 'qcow2']),
  size: z.number(),
  'source-sha256': sha256,
  state: z.enum(imageMarks),
  tested: z.strictObject({
    result: z.enum(['passed', 'failed', 'not verified']),
    how: z.string(),
    'boot-ms': z.number().optional(),
  }),
})

const factoryBlock = z.strictObject({
  'build-key': z.string(),
  complete: z.boolean(),
  'oci-image': z.strictObject({ image: z.string(), 'digest-ref': z.string() }).optional(),
  containerfile: z
    .strictObject({
      git: z.string().optional(),
      commit: z.string().optional(),
      dirty: z.boolean().optional(),
      'tree-sha256': sha256,
    })
    .optional(),
  bases: z.array(z.strictObject({ reference: z.string(), digest })),
  builder: z.strictObject({ ref: z.string(), dialect: z.literal('bib-v1') }),
  artifacts: z.array(
    z.strictObject({
      format: z.enum(['raw', 'qcow2']),
      sha256,
      size: z.number(),
      'virtual-size': z.number(),
      'content-size': z.number(),
    }),
  ),
  images: z.array(imageFacts),
  failures: z.array(
    z.strictObject({
      step: z.string(),
      target: z.string().optional(),
      code: z.string(),
      message: z.string(),
    }),
  ),
  /** Absent in what older factories wrote. */
  cost: releaseCost.optional(),
})

/** Where CoreOS metadata has AMIs, one a region, and what can be imported into IBM Cloud. */
const cloudImages = z.strictObject({
  aws: z
    .strictObject({
      regions: z.record(z.string(), z.strictObject({ release: z.string(), image: z.string() })),
    })
    .optional(),
  /**
   * The grammar knows an object in a bucket that everybody imports for himself, and we have imported already: `object` is
   * the id of the image in the region, `url` its address in the API of VPC, and there is no bucket any more.
   */
  ibmcloud: z
    .strictObject({
      regions: z.record(
        z.string(),
        z.strictObject({ release: z.string(), object: z.string(), bucket: z.string(), url: z.string() }),
      ),
    })
    .optional(),
})

const disk = z.strictObject({ location: z.string(), sha256 })

/**
 * CoreOS stream metadata (stream-metadata-go, stream/stream.go) with one `x-factory` block an architecture.
 * Go's reader ignores keys that it does not know, so the block is safe there.
 */
export const releaseManifest = z.strictObject({
  stream: z.string(),
  metadata: z.strictObject({ 'last-modified': z.string(), generator: z.string() }),
  architectures: z.partialRecord(
    z.enum(architectureNames),
    z.strictObject({
      artifacts: z.record(
        z.string(),
        z.strictObject({ release: z.string(), formats: z.record(z.string(), z.strictObject({ disk })) }),
      ),
      images: cloudImages.optional(),
      'x-factory': factoryBlock,
    }),
  ),
})

export type ReleaseManifest = z.infer<typeof releaseManifest>
export type FactoryBlock = z.infer<typeof factoryBlock>

export interface ManifestFacts {
  release: string
  stream: string
  lastModified: Date
  generator: string
  builds: { arch: ArchitectureName; block: FactoryBlock; artifactPath: (sha256: string) => string }[]
}

/** CoreOS names artifacts by platform: bare qcow2 is `qemu`, bare raw is `metal`. */
const platformOf: Record<DiskFormat, string> = { qcow2: 'qemu', raw: 'metal' }

/** Makes the manifest; pure, and checked against its own schema so that readers can rely on it. */
export function releaseJson(facts: ManifestFacts): ReleaseManifest {
  const { release, stream, lastModified, generator, builds } = facts
  const architectures: ReleaseManifest['architectures'] = {}
  for (const { arch, block, artifactPath } of builds) {
    const artifacts: Record<
      string,
      { release: string; formats: Record<string, { disk: z.infer<typeof disk> }> }
    > = {}
    for (const { format, sha256: hex } of block.artifacts) {
      const location = pathToFileURL(artifactPath(hex)).href
      artifacts[platformOf[format]] = { release, formats: { [format]: { disk: { location, sha256: hex } } } }
    }
    const images = imagesOf(release, block.images)
    architectures[arch] = {
      artifacts,
      ...(Object.keys(images).length === 0 ? {} : { images }),
      'x-factory': block,
    }
  }
  const lastModifiedText = `${lastModified.toISOString().slice(0, 19)}Z`
  return releaseManifest.parse({
    stream,
    metadata: { 'last-modified': lastModifiedText, generator },
    architectures,
  })
}

/** The images of the clouds that the grammar knows. */
function imagesOf(release: string, images: FactoryBlock['images']): z.infer<typeof cloudImages> {
  const regions = <T>(wanted: string, entry: (image: FactoryBlock['images'][number]) => T) =>
    Object.fromEntries(
      images.filter(({ kind }) => kind === wanted).map((image) => [image.region, entry(image)]),
    )
  const aws = regions('aws', ({ id }) => ({ release, image: id }))
  const ibmcloud = regions('ibm', ({ region, id }) => ({
    release,
    object: id,
    bucket: '',
    url: `https://${region}.iaas.cloud.ibm.com/v1/images/${id}`,
  }))
  return {
    ...(Object.keys(aws).length === 0 ? {} : { aws: { regions: aws } }),
    ...(Object.keys(ibmcloud).length === 0 ? {} : { ibmcloud: { regions: ibmcloud } }),
  }
}

/** Puts the manifest in place at once: a reader sees the old one or the new one, never half of one. */
export async function writeReleaseJson(file: string, manifest: ReleaseManifest): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const temporary = `${file}.new`
  await writeFile(temporary, releaseJsonText(manifest), { mode: 0o644, flush: true })
  await rename(temporary, file)
}

/** As it lies in a file. */
export function releaseJsonText(manifest: ReleaseManifest): string {
  return `${JSON.stringify(manifest, undefined, 2)}\n`
}

/** A manifest that was written before; undefined where there is none. */
export async function readReleaseJson(file: string): Promise<ReleaseManifest | undefined> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  return releaseManifest.parse(JSON.parse(text))
}
