import type { Lease, Resource } from '#clouds/types.ts'

const prefix = 'factory:'

/** The marks that everything of a lease bears from its creation on; values have at most 255 characters. */
export type Marks = Readonly<Record<string, string>>

export function leaseMarks({ id, owner, release, arch, expires }: Lease): Marks {
  return { owner, release, arch, lease: id, expires }
}

/** Marks as metadata of servers and volumes. */
export function metadataOf(marks: Marks): Record<string, string> {
  return Object.fromEntries(Object.entries(marks).map(([key, value]) => [`${prefix}${key}`, value]))
}

/** Our marks in the metadata of something; empty when it is not ours. */
export function marksOf(metadata: Readonly<Record<string, string>> | undefined): Partial<Marks> {
  const ours = Object.entries(metadata ?? {}).filter(([key]) => key.startsWith(prefix))
  return Object.fromEntries(ours.map(([key, value]) => [key.slice(prefix.length), value]))
}

/**
 * Marks as the description of a floating IP: Neutron takes no metadata, and tags only by a second call, after the address
 * is there. At most 255 characters: https://docs.openstack.org/api-ref/network/v2/#create-floating-ip
 */
export function descriptionOf(marks: Marks): string {
  return [
    'factory',
    ...Object.entries(marks).map(([key, value]) => `${key}=${encodeURIComponent(value)}`),
  ].join(' ')
}

/** Our marks in a description; empty when it is not ours. */
export function marksIn(description: string | null | undefined): Partial<Marks> {
  const [first, ...words] = (description ?? '').split(' ')
  if (first !== 'factory') return {}
  return Object.fromEntries(
    words.flatMap((word) => {
      const [, key, value] = /^([a-z]+)=([\w.~!*'()%-]*)$/.exec(word) ?? []
      return key === undefined ? [] : [[key, decoded(value ?? '')]]
    }),
  )
}

export function isOf(found: Partial<Marks>, { owner, lease }: { owner: string; lease?: string }): boolean {
  const its = found['lease']
  return found['owner'] === owner && its !== undefined && (lease === undefined || its === lease)
}

/** Marks as the words of a resource. */
export function words(marks: Partial<Marks>): Partial<Resource> {
  const { owner, release, arch, lease, expires } = marks
  const all = { owner, release, arch, leaseId: lease, expires }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

/** Whether an end that stands on something is earlier; one that cannot be read is. */
export function endsBefore(marks: Partial<Marks>, expires: string): boolean {
  const end = Date.parse(marks['expires'] ?? '')
  return Number.isNaN(end) || end < Date.parse(expires)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
