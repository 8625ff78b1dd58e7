import { z } from 'zod'
import { architectureNames } from '#arch/index.ts'
import type { Lease } from '#clouds/types.ts'
import { type Xml, type XmlElement, select, xml } from './xml.ts'

/** What stands on everything that we rent, so that it can be found again without any memory of ours. */
export type LeaseMarks = z.infer<typeof leaseMarks>

const leaseMarks = z.object({
  lease: z.string().regex(/^[a-z0-9-]{1,40}$/),
  owner: z.string(),
  release: z.string(),
  arch: z.enum(architectureNames),
  expires: z.string(),
  purpose: z.enum(['build', 'verify']),
})

export const marksNamespace = 'urn:image-factory:libvirt:1'

/** The marks of a lease, frozen like the lease itself. */
export function marksOf(lease: Lease, purpose: LeaseMarks['purpose']): LeaseMarks {
  const { id, owner, release, arch, expires } = lease
  return { lease: id, owner, release, arch, expires, purpose }
}

/** The marks as an element for `<metadata>` of a domain; `port` is where SSH of the machine is forwarded from. */
export function marksToXml(marks: LeaseMarks, port: number): Xml {
  return xml`<factory:builder xmlns:factory="${marksNamespace}" ${attributes(marks, port)}/>`
}

/** The same element for a call that replaces it in a machine: there libvirt adds prefix and namespace. */
export function marksToElement(marks: LeaseMarks, port: number): string {
  return xml`<builder ${attributes(marks, port)}/>`.markup
}

function attributes(marks: LeaseMarks, port: number): Xml {
  const { lease, owner, release, arch, expires, purpose } = marks
  return xml`lease="${lease}" owner="${owner}" release="${release}" arch="${arch}" expires="${expires}" purpose="${purpose}" port="${port}"`
}

/** Reads the marks of a domain; undefined when it is none of ours. */
export function marksFromXml(domain: XmlElement): { marks: LeaseMarks; port: number } | undefined {
  const element = select(domain, 'metadata/factory:builder')[0]
  if (element?.attributes['xmlns:factory'] !== marksNamespace) return undefined
  const parsed = leaseMarks.safeParse(element.attributes)
  const port = Number(element.attributes['port'])
  return parsed.success && Number.isInteger(port) ? { marks: parsed.data, port } : undefined
}

/** Volumes cannot be marked, so the marks of a lease also lie beside them, as the first volume made and the last deleted. */
export function marksToJson(marks: LeaseMarks): string {
  return `${JSON.stringify(marks)}\n`
}

/** Reads marks that came from a pool; undefined for anything else. */
export function marksFromJson(text: string): LeaseMarks | undefined {
  try {
    return leaseMarks.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

/**
 * Whether a small volume is one whose writer was killed between making and filling it: libvirt makes it in full length
 * and without content. It says nothing of its owner, and nothing else was made before it.
 */
export function isUnwritten(text: string): boolean {
  return /^\0*$/.test(text)
}

/** The latest of several ends of a lease, as it was written. */
export function latest(ends: readonly [string, ...string[]]): string {
  return ends.reduce((last, end) => (Date.parse(end) > Date.parse(last) ? end : last))
}
