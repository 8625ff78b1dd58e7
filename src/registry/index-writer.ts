import { architectureNames, architectures } from '#arch/index.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { readIndex, readSingle } from './manifests.ts'
import { byDigest, repositoryName } from './reference.ts'
import type { Reference } from './reference.ts'
import { digestOf, mediaTypes } from './repository.ts'
import type { Repository } from './repository.ts'
import type { IndexEntry, IndexRequest, RegistryClient, WrittenIndex } from './types.ts'

interface Opened {
  named: Reference
  repository: Repository
}

/**
 * Writes multi-architecture indexes as one document and not by appending, which leaves entries of earlier runs behind,
 * and reads what the registry then holds. The same request gives the same digest, so it can be repeated.
 */
export function openIndexWriter(open: (repository: string) => Opened): RegistryClient['writeIndex'] {
  return async (request, ctx) => {
    const { named, repository } = open(request.repository)
    const entries = await Promise.all(
      inOrder(request).map((entry) => completeEntry(entry, named, repository, ctx)),
    )
    const body = indexDocument(entries, request.annotations ?? {})
    const written = { reference: `${repositoryName(named)}:${request.tag}`, digest: digestOf(body) }
    await repository.putManifest(request.tag, mediaTypes.index, body, ctx)

    const held = await repository.manifest(request.tag, ctx)
    const found = readIndex(held.body, written.reference)
    const differing = architectureNames.filter(
      (arch) => found[arch] !== entries.find((entry) => entry.arch === arch)?.digest,
    )
    if (held.digest === written.digest && differing.length === 0) return written
    throw mismatch(written, held.digest, differing)
  }
}

function inOrder({ repository, entries }: IndexRequest): IndexRequest['entries'] {
  const ordered = architectureNames.flatMap((arch) => entries.filter((entry) => entry.arch === arch))
  const twice = ordered.find((entry, index) => ordered[index - 1]?.arch === entry.arch)
  if (ordered.length > 0 && twice === undefined) return ordered
  const what = twice === undefined ? 'none was given' : `${twice.arch} was given twice`
  throw new FactoryError({
    code: 'index-request-invalid',
    class: 'bug',
    message: `an index of ${repository} needs one manifest for each architecture, and ${what}`,
    hint: 'This is a defect of the factory: please report it with the log of the release (factory logs).',
  })
}

/** Asks the registry what the manifest is: a builder's word for its size, type and architecture is not taken. */
async function completeEntry(
  { arch, digest }: IndexRequest['entries'][number],
  named: Reference,
  repository: Repository,
  ctx: Context,
): Promise<IndexEntry> {
  const shown = byDigest(named, digest)
  const held = await repository.manifest(digest, ctx)
  const [actual] = Object.keys(await readSingle(repository, held, shown, ctx))
  if (actual === arch) return { arch, digest, sizeBytes: held.body.byteLength, mediaType: held.mediaType }
  throw new FactoryError({
    code: 'index-entry-wrong',
    class: 'infra',
    message: `${shown} was pushed as the ${arch} image, but it is one for ${actual ?? 'something unknown'}`,
    hint: 'No index was written. Build this architecture again: factory release --force',
  })
}

function indexDocument(
  entries: readonly IndexEntry[],
  annotations: Readonly<Record<string, string>>,
): string {
  const manifests = entries.map(({ arch, digest, sizeBytes, mediaType }) => ({
    mediaType,
    digest,
    size: sizeBytes,
    platform: { architecture: architectures[arch].oci, os: 'linux' },
  }))
  const document = { schemaVersion: 2, mediaType: mediaTypes.index, manifests }
  const sorted = Object.entries(annotations).toSorted(([a], [b]) => (a < b ? -1 : 1))
  if (sorted.length === 0) return JSON.stringify(document)
  return JSON.stringify({ ...document, annotations: Object.fromEntries(sorted) })
}

function mismatch(written: WrittenIndex, held: string, differing: readonly string[]): FactoryError {
  const what = differing.length === 0 ? '' : `; it differs for ${differing.join(', ')}`
  return new FactoryError({
    code: 'index-mismatch',
    class: 'infra',
    message: `${written.reference} was written as ${written.digest}, but the registry holds ${held}${what}`,
    hint: 'Somebody else writes this tag at the same time, or the registry changes what it is given. Look who does, then: factory release',
    context: { ...written, held, differing },
  })
}
