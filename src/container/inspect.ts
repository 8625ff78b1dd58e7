import { z } from 'zod'
import { architectures, type ArchitectureName } from '#arch/index.ts'
import type { Builder } from '#src/builder/types.ts'
import { FactoryError } from '#src/errors.ts'

const inspected = z
  .array(
    z.object({
      Id: z.string().regex(/^(?:sha256:)?[0-9a-f]{64}$/),
      Architecture: z.string().max(64),
      Size: z.number().int().nonnegative(),
      Labels: z.record(z.string(), z.string()).nullish(),
    }),
  )
  .length(1)

/** podman waits for its own locks while something else works on its storage. */
const inspectLimitMs = 5 * 60_000

export interface InspectedImage {
  /** `sha256:…` */
  id: string
  sizeBytes: number
}

/** Looks at an image in the builder's storage and refuses it unless it is bootable and of the builder's architecture. */
export async function inspectImage(builder: Builder, tag: string): Promise<InspectedImage> {
  const answer = await builder.exec(['podman', 'image', 'inspect', tag], { limitMs: inspectLimitMs })
  const image = parse(answer.stdout, tag)
  const { arch } = builder.ref
  assertArchitecture(image.Architecture, arch, tag)
  if (image.Labels?.['containers.bootc'] !== '1') {
    throw new FactoryError({
      code: 'image-not-bootc',
      message: `${tag} (${arch}) is not a bootable container image: it has no label containers.bootc=1`,
      hint: 'Start the Containerfile from a bootc base image, e.g. quay.io/fedora/fedora-bootc.',
      class: 'user',
    })
  }
  return { id: image.Id.startsWith('sha256:') ? image.Id : `sha256:${image.Id}`, sizeBytes: image.Size }
}

function assertArchitecture(found: string, arch: ArchitectureName, tag: string): void {
  if (found === architectures[arch].oci) return
  throw new FactoryError({
    code: 'container-wrong-architecture',
    message: `${tag} is an image for ${found}, but it was made on the ${arch} builder (${architectures[arch].oci})`,
    hint: 'Pin the multi-arch index in FROM, not the manifest of one architecture, and set no --platform there.',
    class: 'user',
  })
}

function parse(text: string, tag: string) {
  try {
    const [image] = inspected.parse(JSON.parse(text))
    if (image) return image
  } catch (error) {
    throw unreadable(tag, error)
  }
  throw unreadable(tag, undefined)
}

function unreadable(tag: string, cause: unknown): FactoryError {
  return new FactoryError({
    code: 'builder-answer-unreadable',
    message: `the builder's description of the image ${tag} cannot be read`,
    hint: 'Run podman image inspect on the builder by hand (factory ssh).',
    class: 'infra',
    cause,
  })
}
