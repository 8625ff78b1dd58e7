import { createHash } from 'node:crypto'
import type { ArchitectureName, DiskFormat } from '#arch/index.ts'
import type { PinnedReference } from '#src/container/types.ts'

/**
 * Everything that decides what a release's images contain, as plain JSON: the plan compares it with that of the last
 * release, and the journal keeps it. Values of secrets are never in it.
 */
export interface InputFacts {
  image: string
  /** Hex sha256 of the Containerfile's text. */
  containerfile?: string
  context?: { digest: string; files: number; bytes: number }
  /** Images that the Containerfile builds on, by reference. */
  bases: PinnedReference[]
  /** The finished container image, where there is no Containerfile. */
  existing?: PinnedReference
  buildArgs: Record<string, string>
  secrets: string[]
  /** Where booted machines upgrade from: it is written into the disks. */
  push?: string
  diskBuilders: Partial<Record<ArchitectureName, PinnedReference>>
  rootfs: string
  sizeBytes?: number
  /** Hex sha256 of the config.toml. */
  diskConfig?: string
  formats: Partial<Record<ArchitectureName, DiskFormat[]>>
  /** The release after which `--force` asked for the same thing once more. */
  forcedAfter?: string
}

/** Raised when the factory makes other bytes of the same inputs, so that nothing older is taken for it. */
const recipe = 1

/** Names the bytes of one architecture's build: the same inputs give the same key on every machine and every day. */
export function buildKeyOf(facts: InputFacts, arch: ArchitectureName): string {
  const { diskBuilders, formats, context, bases, secrets, ...common } = facts
  return digestOfJson({
    ...common,
    recipe,
    arch,
    bases: bases.map(({ reference, digest }) => `${reference} ${digest}`).toSorted(),
    secrets: secrets.toSorted(),
    context: context?.digest,
    diskBuilder: diskBuilders[arch]?.digest,
    formats: formats[arch]?.toSorted(),
  })
}

/** Hex sha256 over JSON with sorted keys and without undefined values: equal contents, equal digest. */
export function digestOfJson(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex')
}

function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const entries = Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonicalJson(inner)}`).join(',')}}`
}
