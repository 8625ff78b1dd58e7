import pLimit from 'p-limit'
import type { ArchitectureName } from '#arch/index.ts'
import type { Place, Problem } from '#src/config/problems.ts'
import type { PinnedReference } from '#src/container/types.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import { parseReference } from '#src/registry/reference.ts'
import type { RegistryClient, ResolvedImage } from '#src/registry/types.ts'

/** An image that has to be pinned, and what it must be good for. */
export interface WantedImage {
  reference: string
  place: Place
  /** It must have an image for each of these. */
  architectures: readonly ArchitectureName[]
  /** Whether it serves several architectures in the configuration, so that only an index will do. */
  shared: boolean
}

const atOnce = 4

/**
 * Finds the digest of every image, each reference asked once, and collects everything that is wrong: dead references,
 * digests of one architecture where several are built, architectures that are missing, registries out of reach.
 */
export async function pinImages(
  wanted: readonly WantedImage[],
  registry: Pick<RegistryClient, 'resolve'>,
  ctx: Context,
): Promise<{ pinned: Map<string, PinnedReference>; problems: Problem[] }> {
  const limit = pLimit(atOnce)
  const references = [...new Set(wanted.map(({ reference }) => reference))]
  const answers = await Promise.all(
    references.map((reference) =>
      limit(async () => [reference, await resolveOne(reference, registry, ctx)] as const),
    ),
  )
  const resolved = new Map(answers)
  ctx.signal.throwIfAborted()
  const problems = wanted.flatMap((image) => problemsOf(image, resolved.get(image.reference)))
  const pinned = answers.flatMap(([reference, answer]) =>
    'digest' in answer ? [[reference, { reference, digest: answer.digest }] as const] : [],
  )
  return { pinned: new Map(pinned), problems }
}

type Answer = ResolvedImage | { error: unknown }

async function resolveOne(
  reference: string,
  registry: Pick<RegistryClient, 'resolve'>,
  ctx: Context,
): Promise<Answer> {
  try {
    return await registry.resolve(reference, ctx)
  } catch (error) {
    return { error }
  }
}

function problemsOf(wanted: WantedImage, answer: Answer | undefined): Problem[] {
  if (answer === undefined) return []
  if ('error' in answer) {
    const { code, message, hint, class: failureClass } = asFactoryError(answer.error)
    const problem = { code, place: wanted.place, message, class: failureClass }
    return [hint === undefined ? problem : { ...problem, hint }]
  }
  const has = Object.keys(answer.manifests)
  if (answer.kind === 'manifest' && wanted.shared) return [notMultiArchitecture(wanted, has)]
  const lacking = wanted.architectures.filter((arch) => !has.includes(arch))
  return lacking.length === 0 ? [] : [lacksArchitecture(wanted, lacking, has)]
}

function notMultiArchitecture({ reference, place }: WantedImage, has: readonly string[]): Problem {
  const parsed = parseReference(reference)
  const tagged =
    'problem' in parsed ? reference : `${parsed.registry}/${parsed.repository}:${parsed.tag ?? 'TAG'}`
  return {
    code: 'base-not-multiarch',
    place,
    message: `${reference} is the image of one architecture (${has[0] ?? 'unknown'}) and no multi-architecture index, but several architectures are built from it`,
    hint: `Write a tag, which every release pins by itself, or the digest of the index: skopeo inspect --raw docker://${tagged} | sha256sum`,
  }
}

function lacksArchitecture(
  { reference, place }: WantedImage,
  lacking: readonly string[],
  has: readonly string[],
): Problem {
  const what = has.length === 0 ? 'none of the known architectures' : `only ${has.join(', ')}`
  return {
    code: 'base-lacks-architecture',
    place,
    message: `${reference} has no image for ${lacking.join(', ')}; it has ${what}`,
    hint: `Take another image or tag, or leave the architecture out: --arch ${has[0] ?? 'ARCH'}, or its entry under builders.`,
  }
}
