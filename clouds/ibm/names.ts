import { createHash } from 'node:crypto'
import type { ImageKey } from '#clouds/types.ts'

/** Names of VPC have at most 63 characters: lower-case letters, digits and dashes, a letter first, no dots and underscores. */
const longestName = 63

/** Eight hex digits that stand for an owner in names. What is not marked yet is known by its name alone. */
export function ownerDigest(owner: string): string {
  return createHash('sha256').update(owner).digest('hex').slice(0, 8)
}

/** What ends the name of every image of a content that an owner made. */
export function contentEnding({ sha256, owner }: Pick<ImageKey, 'sha256' | 'owner'>): string {
  return `-${sha256.slice(0, 12)}-${ownerDigest(owner)}`
}

/** Says of any name whether an image of the owner could be called so. */
export function isImageNameOf(name: string, owner: string): boolean {
  return new RegExp(`-[0-9a-f]{12}-${ownerDigest(owner)}$`).test(name)
}

/** Names of images are unique in a region, so the name is the token of the request that makes one. */
export function imageName(key: Pick<ImageKey, 'name' | 'sha256' | 'owner'>): string {
  const ending = contentEnding(key)
  const plain = key.name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    // IBM keeps names that begin so for its own.
    .replace(/^(?=[^a-z]|ibm-)/, 'image-')
    .replaceAll(/-+/g, '-')
  return `${plain.slice(0, longestName - ending.length).replace(/-+$/, '')}${ending}`
}

export type RentedKind = 'machine' | 'boot' | 'data' | 'address'

const leaseForm = /^factory-(?:(boot|data)-)?([0-9a-f]{8})-([a-z0-9-]+)$/

/** What a thing of a lease is called: the token of its request. A lease id of 40 characters makes 62. */
export function rentedName(kind: RentedKind, leaseId: string, owner: string): string {
  const part = kind === 'boot' || kind === 'data' ? `${kind}-` : ''
  return `factory-${part}${ownerDigest(owner)}-${leaseId}`
}

/** The lease that a thing is of by its name; undefined when it is none of this owner's. */
export function leaseOfName(name: string, owner: string): string | undefined {
  const [, , digest, leaseId] = leaseForm.exec(name) ?? []
  return digest === ownerDigest(owner) ? leaseId : undefined
}
