import type { ArchitectureName } from '#arch/index.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { openIndexWriter } from './index-writer.ts'
import { layerBytesOf, readIndex, readSingle } from './manifests.ts'
import { byDigest, parseReference, repositoryName } from './reference.ts'
import type { Reference } from './reference.ts'
import { mediaTypes, openRepository } from './repository.ts'
import type { Repository } from './repository.ts'
import { usualPatience } from './request.ts'
import type { Patience } from './request.ts'
import type { RegistryClient, RegistryWatcher, ResolvedImage } from './types.ts'

export interface RegistrySettings {
  /** Credentials other than the files that podman looks at. */
  authFile?: string | undefined
  patience?: Patience
}

/**
 * A client for OCI registries: https, or plain http on the loopback address. Tokens are kept for as long as the client
 * lives. Fails with `image-not-found`, `registry-unreachable`, `registry-auth` and `registry-bad-answer`.
 */
export function registryClient(settings: RegistrySettings = {}): RegistryClient & RegistryWatcher {
  const repositories = new Map<string, Repository>()
  const repositoryOf = (named: Reference): Repository => {
    const known = repositories.get(repositoryName(named))
    if (known !== undefined) return known
    const opened = openRepository(named, settings.authFile, settings.patience ?? usualPatience)
    repositories.set(repositoryName(named), opened)
    return opened
  }
  return {
    async resolve(reference, ctx) {
      const parsed = parsedOrThrow(reference)
      return await resolveIn(repositoryOf(parsed), parsed, ctx)
    },
    async digest(reference, ctx) {
      const parsed = parsedOrThrow(reference)
      return parsed.digest ?? (await repositoryOf(parsed).digest(parsed.tag ?? 'latest', ctx))
    },
    async layerBytes(reference, arch, ctx) {
      const parsed = parsedOrThrow(reference)
      const repository = repositoryOf(parsed)
      const digest = (await resolveIn(repository, parsed, ctx)).manifests[arch]
      if (digest === undefined) throw noSuchArchitecture(reference, arch)
      const content = await repository.manifest(digest, ctx)
      return layerBytesOf(content.body, byDigest(parsed, digest))
    },
    writeIndex: openIndexWriter((name) => {
      const named = parsedOrThrow(name)
      return { named, repository: repositoryOf(named) }
    }),
  }
}

async function resolveIn(repository: Repository, reference: Reference, ctx: Context): Promise<ResolvedImage> {
  const content = await repository.manifest(reference.digest ?? reference.tag ?? 'latest', ctx)
  const found = { reference: reference.text, digest: content.digest }
  const shown = byDigest(reference, content.digest)
  switch (content.mediaType) {
    case mediaTypes.index:
    case mediaTypes.list:
      return { ...found, kind: 'index', manifests: readIndex(content.body, shown) }
    case mediaTypes.manifest:
    case mediaTypes.dockerManifest:
      return { ...found, kind: 'manifest', manifests: await readSingle(repository, content, shown, ctx) }
    default:
      throw new FactoryError({
        code: 'image-unknown-format',
        class: 'user',
        message: `${shown} is of the type ${JSON.stringify(content.mediaType)}, which is no container image of today`,
        hint: 'Push it again with a current podman, buildah or docker.',
      })
  }
}

function parsedOrThrow(text: string): Reference {
  const parsed = parseReference(text)
  if (!('problem' in parsed)) return parsed
  throw new FactoryError({
    code: 'reference-invalid',
    class: 'user',
    message: `the image reference ${JSON.stringify(text)} ${parsed.problem}`,
    hint: 'Write it as registry/repository:tag or registry/repository@sha256:….',
  })
}

function noSuchArchitecture(reference: string, arch: ArchitectureName): FactoryError {
  return new FactoryError({
    code: 'base-lacks-architecture',
    class: 'user',
    message: `${reference} has no image for ${arch}`,
    hint: 'Name an image that has it, or take the architecture out of builders.',
  })
}
