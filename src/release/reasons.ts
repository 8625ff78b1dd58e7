import type { ArchitectureName } from '#arch/index.ts'
import type { PinnedReference } from '#src/container/types.ts'
import { formatBytes } from '#src/units.ts'
import type { InputFacts } from './input-facts.ts'

/**
 * What is different between the inputs of two releases, as far as it touches the architecture: one phrase for each
 * change, in words for people. Empty when nothing is.
 */
export function changes(before: InputFacts, now: InputFacts, arch: ArchitectureName): string[] {
  return [
    ...changed('the image name', before.image, now.image),
    ...(before.containerfile === now.containerfile
      ? contextChange(before, now)
      : ['the Containerfile changed']),
    ...moves('base image', before.bases, now.bases),
    ...moves('image', listed(before.existing), listed(now.existing)),
    ...argumentChanges(before.buildArgs, now.buildArgs),
    ...secretChanges(before.secrets, now.secrets),
    ...changed('image.push', before.push, now.push),
    ...moves('disk builder', listed(before.diskBuilders[arch]), listed(now.diskBuilders[arch])),
    ...changed('the root file system', before.rootfs, now.rootfs),
    ...changed('the disk size', shownSize(before.sizeBytes), shownSize(now.sizeBytes)),
    ...(before.diskConfig === now.diskConfig ? [] : ['the config.toml of the disk builder changed']),
    ...changed('the disk format', before.formats[arch]?.join(' and '), now.formats[arch]?.join(' and ')),
  ]
}

/** A digest as people compare it: enough to tell two apart. */
export function shortDigest(digest: string): string {
  return `${digest.slice(0, 'sha256:'.length + 12)}…`
}

function contextChange(before: InputFacts, now: InputFacts): string[] {
  if (before.context?.digest === now.context?.digest) return []
  return [`the build context changed (${shownContext(now)}, was ${shownContext(before)})`]
}

function shownContext({ context }: InputFacts): string {
  if (context === undefined) return 'none'
  return `${context.files} ${context.files === 1 ? 'file' : 'files'}, ${formatBytes(context.bytes)}`
}

function moves(kind: string, before: readonly PinnedReference[], now: readonly PinnedReference[]): string[] {
  const fresh = now.flatMap(({ reference, digest }) => {
    const old = before.find((one) => one.reference === reference)
    if (old === undefined) return [`${kind} ${reference} is new`]
    if (old.digest === digest) return []
    return [`${kind} ${reference} moved from ${shortDigest(old.digest)} to ${shortDigest(digest)}`]
  })
  const gone = before.filter(({ reference }) => now.every((one) => one.reference !== reference))
  return [...fresh, ...gone.map(({ reference }) => `${kind} ${reference} is no longer used`)]
}

function argumentChanges(before: Record<string, string>, now: Record<string, string>): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])].toSorted()
  return names.flatMap((name) => changed(`build argument ${name}`, before[name], now[name]))
}

function secretChanges(before: readonly string[], now: readonly string[]): string[] {
  const fresh = now.filter((id) => !before.includes(id)).map((id) => `secret ${id} is new`)
  const gone = before.filter((id) => !now.includes(id)).map((id) => `secret ${id} is no longer given`)
  return [...fresh, ...gone]
}

function changed(what: string, before: string | undefined, now: string | undefined): string[] {
  if (before === now) return []
  if (before === undefined) return [`${what} is ${now} now`]
  return [now === undefined ? `${what} is no longer ${before}` : `${what} changed from ${before} to ${now}`]
}

function shownSize(bytes: number | undefined): string | undefined {
  return bytes === undefined ? undefined : formatBytes(bytes)
}

function listed(pinned: PinnedReference | undefined): PinnedReference[] {
  return pinned === undefined ? [] : [pinned]
}
