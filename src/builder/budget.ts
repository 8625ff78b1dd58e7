import type { DiskFormat } from '#arch/index.ts'
import { formatBytes } from '#src/units.ts'

export interface BudgetRequest {
  /** Bytes of the build context as it is sent. */
  contextBytes: number
  /** Unpacked bytes of the base images together. */
  baseBytes: number
  /** Unpacked bytes of the disk builder's own image. */
  toolBytes: number
  formats: readonly DiskFormat[]
  /** Bytes of content expected in one disk; default: as much as the container image has. */
  diskBytes?: number
}

export interface BudgetPart {
  /** For people: what the space is for. */
  what: string
  bytes: number
  /** The directory on the builder that it is needed in. */
  place: '/var/lib/containers' | '/var/tmp' | '/var/lib/factory'
}

export interface DiskBudget {
  parts: readonly BudgetPart[]
  /** What a data disk must hold so that all of it fits, with what a file system takes for itself. */
  totalBytes: number
}

const MiB = 1024 * 1024
/** Tables, journal and what a file system keeps back; ext4 takes about 4 %. */
const fileSystemShare = 0.08
const fileSystemBytes = 128 * MiB
const logBytes = 256 * MiB

/**
 * What a build needs on its builder, in bytes, from sizes known before anything is rented. A container build keeps the
 * base and about as much again in new layers; the disk builder writes each disk into its store and then copies it out.
 */
export function diskBudget(request: BudgetRequest): DiskBudget {
  const { contextBytes, baseBytes, toolBytes, formats } = request
  const imageBytes = baseBytes * 2 + contextBytes
  const diskBytes = request.diskBytes ?? imageBytes
  const parts: BudgetPart[] = [
    { what: 'build context', bytes: contextBytes, place: '/var/lib/factory' },
    {
      what: 'container image (base image twice, and the context)',
      bytes: imageBytes,
      place: '/var/lib/containers',
    },
    { what: "disk builder's image", bytes: toolBytes, place: '/var/lib/containers' },
    ...formats.map((format) => diskPart(format, diskBytes)),
    { what: 'logs and small files', bytes: logBytes, place: '/var/lib/factory' },
  ]
  const needed = parts.reduce((sum, part) => sum + part.bytes, 0)
  const totalBytes = Math.ceil((needed * (1 + fileSystemShare) + fileSystemBytes) / MiB) * MiB
  return { parts, totalBytes }
}

/** One line a part, for messages: `build context 12 MiB, container image 3 GiB, …`. */
export function explainBudget(parts: readonly BudgetPart[]): string {
  return parts.map(({ what, bytes }) => `${what} ${formatBytes(bytes)}`).join(', ')
}

function diskPart(format: DiskFormat, diskBytes: number): BudgetPart {
  return {
    what: `${format} disk in the disk builder's store and as output`,
    bytes: diskBytes * 2,
    place: '/var/lib/factory',
  }
}
