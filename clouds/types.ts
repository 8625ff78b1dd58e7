import type { ArchitectureName, DiskFormat } from '#arch/index.ts'
import type { Artifact } from '#src/artifact/types.ts'
import type { BuilderRef } from '#src/builder/types.ts'
import type { Context } from '#src/context.ts'
import type { Rate } from '#src/cost.ts'

/** Every kind of cloud, one folder each. */
export const cloudKinds = ['aws', 'ibm', 'libvirt', 'openstack', 'ssh'] as const
export type CloudKind = (typeof cloudKinds)[number]

/** An adapter: where builders come from and where images go. A missing member is the capability flag. */
export interface Cloud {
  /** The name in the user's configuration. */
  readonly name: string
  readonly kind: CloudKind
  /** Looks at everything that a release would need and changes nothing. */
  doctor(ctx: Context): AsyncIterable<Finding>
  /** The complete minimal rights that the configuration needs, in the cloud's own language, ready to paste. Asks nobody. */
  policy?(): string
  readonly builders?: BuilderPool
  readonly images?: ImageStore
}

export interface Finding {
  severity: 'ok' | 'warning' | 'error'
  /** What was looked at, e.g. `pool images on qemu:///system`. */
  subject: string
  message: string
  hint?: string
  /** Whole lines to paste somewhere, e.g. a policy. */
  paste?: string
}

export interface BuilderPool {
  /** At most this many machines of ours at once. */
  readonly maxBuilders: number
  /** At most this many of an architecture, where each has machines of its own. Missing where any machine does. */
  readonly maxBuildersOf?: ((arch: ArchitectureName) => number) | undefined
  /** Milliseconds that `acquire` may wait for a machine that others have, beside the time that renting takes. */
  readonly waitMs?: number
  /**
   * Whether this pool can rent machines of the architecture; the reason when it cannot. With a region: whether it can
   * boot a published image of the architecture there, to verify it.
   */
  offers(arch: ArchitectureName, region?: string): Verdict
  /**
   * What a machine of the architecture may be rented as, each with its price an hour; with a region, one that boots an
   * image there. Asks nobody. Missing where machines have no prices.
   */
  rates?(arch: ArchitectureName, region?: string): readonly Rate[]
  /** Rents the machine of the lease, or adopts the one that an earlier call with this lease rented. Returns when it was started; SSH may take longer. */
  acquire(spec: BuilderSpec, lease: Lease, ctx: Context): Promise<BuilderRef>
  /** Everything with the owner's mark: machines, disks, seeds; every place, every state. */
  find(owner: string, ctx: Context): AsyncIterable<Resource>
  /** Moves the end of a lease that stands on its resources to `expires` (RFC 3339), for reapers to read; throws `lease-gone` when nothing of it is there. */
  prolong(leaseId: string, expires: string, ctx: Context): Promise<void>
  /** Gives everything of the lease back; "not there" is success. */
  release(leaseId: string, ctx: Context): Promise<void>
  /** The last text of the machine's console, for messages; undefined where there is none. */
  console?(leaseId: string, ctx: Context): Promise<string | undefined>
}

/** Our written claim on a rented machine; frozen in the journal before the cloud is asked. */
export interface Lease {
  /** Also the idempotency token: lower-case letters, digits and dashes, at most 40 characters, no time in it. */
  readonly id: string
  readonly owner: string
  readonly release: string
  readonly arch: ArchitectureName
  /** RFC 3339; when nobody has prolonged the lease until then, the machine ends itself. */
  readonly expires: string
}

export interface BuilderSpec {
  readonly arch: ArchitectureName
  readonly purpose: 'build' | 'verify'
  /** Size in bytes of the empty data disk (serial `factory-data`); 0 for none. */
  readonly dataBytes: number
  /** Milliseconds from boot after which an unprolonged machine powers itself off. */
  readonly leaseMs: number
  /** Boot a published image instead of the cloud's base disk. */
  readonly image?: Image
  readonly access: BuilderAccess
}

/** The keys that the machine gets before its first boot; made by us, so no key is ever learned at first use. */
export interface BuilderAccess {
  /** One line as in authorized_keys. */
  readonly authorizedKey: string
  /** One line as in known_hosts without the host: `ssh-ed25519 AAAA…`. */
  readonly hostPublicKey: string
  /** The file with the OpenSSH private host key; its content goes into the seed and nowhere else. */
  readonly hostPrivateKeyFile: string
}

/** Something of ours that exists in a cloud. */
export interface Resource {
  kind:
    | 'machine'
    | 'disk'
    | 'seed'
    | 'image'
    | 'firmware-state'
    | 'network-interface'
    | 'address'
    | 'snapshot'
    | 'spot-request'
  id: string
  /** Where it is: a region, a hypervisor. */
  region: string
  owner?: string
  release?: string
  arch?: string
  leaseId?: string
  expires?: string
  state?: string
}

export type Verdict = { ok: true } | { ok: false; reason: string; hint?: string }

export interface ImageStore {
  /** The places that one publish goes to, side by side: regions, hypervisors. */
  readonly regions: readonly string[]
  /** What makes a region another place although its name stays, for people and for keys: address and pool. */
  location(region: string): string
  /** Format × architecture, asked before anything is built. */
  takes(arch: ArchitectureName, format: DiskFormat): Verdict
  /** What an image with about so much stored costs a month in a region. Asks nobody. Missing where images have no prices. */
  rate?(region: string, storedBytes: number): Rate
  /** Throws when the place is not ready for an image of this size (virtual and stored bytes): no pool, no space, no rights. */
  check(region: string, need: { virtualBytes: number; storedBytes: number }, ctx: Context): Promise<void>
  /** The complete image with this content, wherever it came from; never a half one. */
  find(key: ImageKey, ctx: Context): Promise<Image | undefined>
  /** Idempotent on the key: adopts the same content, refuses a foreign namesake, leaves nothing half behind. */
  publish(artifact: Artifact, key: ImageKey, ctx: Context): Promise<Image>
  /**
   * Removes what stayed beside a whole image because its publish was cut off before the end; what another region still needs
   * stays. Idempotent. Missing where nothing can be left beside an image.
   */
  clearUp?(key: ImageKey, ctx: Context): Promise<void>
  list(ctx: Context): AsyncIterable<Image>
  /**
   * Tells the cloud what people chose: tags, and deprecation set or cleared, as far as it has them. Idempotent; throws
   * `image-gone` when the image is not there any more. Missing where a cloud has no place for it.
   */
  mark?(image: Image, mark: ImageMark, ctx: Context): Promise<void>
  /**
   * The mark that stands on the image in the cloud; undefined where none does, where it does only in part (somebody has
   * cleared the deprecation, say), or the image is gone. Present where `mark` is.
   */
  marked?(image: Image, ctx: Context): Promise<ImageMark | undefined>
  /** "Not there" is success. */
  remove(image: Image, ctx: Context): Promise<void>
  /**
   * What uses the image so that it may not be removed, in words: machines, disks that lie on it; undefined where nothing
   * does. Missing where a cloud keeps what its machines need by itself.
   */
  inUse?(image: Image, ctx: Context): Promise<string | undefined>
  /** What publishes of the owner that were cut off left half-made, in every region; `expires` says when surely nobody works on it any more. */
  leftovers(owner: string, ctx: Context): AsyncIterable<Resource>
  /** Removes a leftover, unless it has become a complete image meanwhile; "not there" is success. */
  discard(leftover: Resource, ctx: Context): Promise<void>
}

/**
 * An image's place in the channels. `promoted` and `previous` are to be used; `candidate` may be; the others are not to
 * be any more, and a cloud that knows deprecation is told so.
 */
export const imageMarks = [
  'candidate',
  'promoted',
  'previous',
  'ignored',
  'superseded',
  'incomplete',
] as const
export type ImageMark = (typeof imageMarks)[number]

export interface ImageKey {
  readonly cloud: string
  readonly region: string
  readonly arch: ArchitectureName
  /** Hex sha256 of the artifact. */
  readonly sha256: string
  readonly format: DiskFormat
  /** Deterministic: image name, release, architecture. */
  readonly name: string
  readonly release: string
  readonly owner: string
  readonly origin: ImageOrigin
}

/** What an image was made of; kept with it, so that `factory adopt` can tell when our own records are lost. */
export interface ImageOrigin {
  readonly releaseKey: string
  readonly buildKey: string
  /** What a booted machine of it says of itself; empty for a container image that was taken as it is. */
  readonly identity: string
  /** `image.name` of the configuration. */
  readonly imageName: string
  /** Digest of the container manifest that was pushed, where `image.push` is set. */
  readonly pushedDigest?: string
}

/** What a cloud made of an artifact. */
export interface Image {
  readonly cloud: string
  readonly kind: CloudKind
  readonly region: string
  readonly arch: ArchitectureName
  /** The cloud's id: an AMI id, a volume key. */
  readonly id: string
  readonly name: string
  readonly format: DiskFormat
  readonly sha256: string
  /** Virtual size in bytes. */
  readonly sizeBytes: number
  readonly release: string
  readonly origin?: ImageOrigin
}
