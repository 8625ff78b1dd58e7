import { z } from 'zod'
import { fromOci } from '#arch/index.ts'
import type { ArchitectureName } from '#arch/index.ts'
import type { Context } from '#src/context.ts'
import { badAnswer } from './failures.ts'
import type { Content, Repository } from './repository.ts'
import type { ResolvedImage } from './types.ts'

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/)

const index = z.object({
  manifests: z.array(
    z.object({
      digest,
      platform: z
        .object({ os: z.string().optional(), architecture: z.string(), variant: z.string().optional() })
        .optional(),
    }),
  ),
})

const manifest = z.object({
  config: z.object({ digest, mediaType: z.string() }),
  layers: z.array(z.object({ size: z.int().nonnegative() })).default([]),
})

const configuration = z.object({ architecture: z.string(), os: z.string() })

type Manifests = ResolvedImage['manifests']

/**
 * The manifests of an index by architecture. Where one architecture is there several times, the first without a variant
 * counts, as podman chooses; attestations and other systems are left out. Index writers that put `x86_64` for `amd64`
 * are understood.
 */
export function readIndex(body: Buffer, shown: string): Manifests {
  const { manifests } = parsed(index, body, shown)
  const found: Manifests = {}
  for (const plain of [true, false]) {
    for (const { digest: entry, platform } of manifests) {
      if (platform === undefined || (platform.os ?? 'linux') !== 'linux') continue
      const arch = architectureOf(platform.architecture)
      const usual = platform.variant === undefined || platform.variant === '' || arch === 'aarch64'
      if (arch !== undefined && usual === plain) found[arch] ??= entry
    }
  }
  return found
}

/** A single manifest says nothing about its architecture; its configuration blob does. */
export async function readSingle(
  repository: Repository,
  content: Content,
  shown: string,
  ctx: Context,
): Promise<Manifests> {
  const { config } = parsed(manifest, content.body, shown)
  if (!/^application\/vnd\.(oci\.image|docker\.container\.image)\b/.test(config.mediaType)) return {}
  const { architecture, os } = parsed(configuration, await repository.blob(config.digest, ctx), shown)
  const arch = os === 'linux' ? architectureOf(architecture) : undefined
  return arch === undefined ? {} : { [arch]: content.digest }
}

/** Compressed bytes of the layers that a manifest names. */
export function layerBytesOf(body: Buffer, shown: string): number {
  return parsed(manifest, body, shown).layers.reduce((sum, { size }) => sum + size, 0)
}

function architectureOf(name: string): ArchitectureName | undefined {
  if (name === 'x86_64' || name === 'aarch64') return name
  return fromOci(name)
}

function parsed<T>(schema: z.ZodType<T>, body: Buffer, shown: string): T {
  try {
    return schema.parse(JSON.parse(body.toString('utf8')))
  } catch (error) {
    const what = error instanceof z.ZodError ? z.prettifyError(error).replaceAll('\n', ' ') : 'it is no JSON'
    throw badAnswer(shown.slice(0, shown.indexOf('/')), `the manifest of ${shown} cannot be read: ${what}`)
  }
}
