import { FactoryError } from '#src/errors.ts'
import type { PinnedReference } from './types.ts'

const digestForm = /^sha256:[0-9a-f]{64}$/
const repositoryForm = /^[a-z0-9]+(?:[._:-][a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*$/i
const localTagForm =
  /^[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?::\d+)?(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*:[a-z0-9_][a-z0-9._-]{0,127}$/i

/** Whether the text is a digest as OCI registries write it: `sha256:` and 64 hex digits. */
export function isDigest(text: string): boolean {
  return digestForm.test(text)
}

/** The reference without tag and digest: `quay.io/fedora/fedora-bootc:44` → `quay.io/fedora/fedora-bootc`. */
export function repositoryOf(reference: string): string {
  const named = reference.split('@')[0] ?? ''
  const colon = named.lastIndexOf(':')
  return colon > named.lastIndexOf('/') ? named.slice(0, colon) : named
}

/** Where podman pulls a pinned image from: `repository@sha256:…`; refuses what is no reference. */
export function pinnedName(pinned: PinnedReference): string {
  const repository = repositoryOf(pinned.reference)
  if (!repositoryForm.test(repository) || !isDigest(pinned.digest)) {
    throw new FactoryError({
      code: 'bad-image-reference',
      message: `${JSON.stringify(pinned.reference)} with digest ${JSON.stringify(pinned.digest)} is no image reference`,
      hint: 'Write it as registry/repository:tag or registry/repository@sha256:<64 hex digits>.',
      class: 'user',
    })
  }
  return `${repository}@${pinned.digest}`
}

/** The name that the pulled image must get for a Containerfile to find it; undefined when it is named by digest. */
export function nameInContainerfile(pinned: PinnedReference): string | undefined {
  return pinned.reference.includes('@') ? undefined : pinned.reference
}

/** Refuses names of local images that are no plain `name:tag`, digest references included: bib takes tags only. */
export function assertLocalTag(tag: string): void {
  if (localTagForm.test(tag)) return
  throw new FactoryError({
    code: 'bad-image-tag',
    message: `${JSON.stringify(tag)} is no tag of a local image; the disk builder takes tags and never digests`,
    hint: 'Name the image as localhost/name:tag.',
    class: 'user',
  })
}
