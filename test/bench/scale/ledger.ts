import type { ArchitectureName } from '#arch/index.ts'
import type { BuilderSpec, Image, ImageMark, Lease } from '#clouds/types.ts'

/** Milliseconds since 1970: all processes of the benchmark go by one clock. */
export interface Span {
  from: number
  to: number
}

/** What a machine is rented with; its private host key comes as text, as a cloud gets it in user-data. */
export interface Rental {
  lease: Lease
  purpose: BuilderSpec['purpose']
  access: { authorizedKey: string; hostPublicKey: string; hostPrivateKey: string }
  /** The image that it boots, for verifications. */
  imageId?: string
}

export interface MachineEntry {
  lease: string
  owner: string
  release: string
  arch: ArchitectureName
  purpose: BuilderSpec['purpose']
  expires: string
  rentedAt: number
  bootedAt?: number
  givenBackAt?: number
  /** When the cloud, the machine's boot, its commands and its jobs took their time, each for itself. */
  busy: Span[]
}

export interface ImageEntry {
  image: Image
  owner: string
  /** What stands at the beginning of its disk. */
  identity: string
  mark?: ImageMark
  busy: Span[]
}

/** What the scripted cloud has done, for the judgement in the end. */
export interface Ledger {
  machines: MachineEntry[]
  images: ImageEntry[]
  /** The most builders, and the most machines of any purpose, that were rented at the same time. */
  peak: { builders: number; machines: number }
  /** Calls that should not have come: a lease rented twice, bytes that are not those of their key. */
  complaints: string[]
}
