import type { Tag } from '@aws-sdk/client-ec2'
import type { ArchitectureName } from '#arch/index.ts'
import type { Lease } from '#clouds/types.ts'

const prefix = 'factory:'

/** The marks that everything of ours bears from its creation on; values have at most 256 characters. */
export type Marks = Readonly<Record<string, string>>

/** The tag that a mark is written as. */
export function tagName(mark: string): string {
  return `${prefix}${mark}`
}

export function leaseMarks({ id, owner, release, arch, expires }: Lease): Marks {
  return { owner, release, arch, lease: id, expires }
}

/** Our marks, a name for people in the console, and the user's own tags. */
export function tagsOf(marks: Marks, name: string, own: Readonly<Record<string, string>>): Tag[] {
  const ours = Object.entries(marks).map(([key, value]) => ({ Key: tagName(key), Value: value }))
  const theirs = Object.entries({ Name: name, ...own }).map(([Key, Value]) => ({ Key, Value }))
  return [...ours, ...theirs]
}

/** Our marks among the tags of something; empty when it is not ours. */
export function marksOf(tags: readonly Tag[] | undefined): Partial<Marks> {
  const ours = (tags ?? []).filter(({ Key }) => Key?.startsWith(prefix))
  return Object.fromEntries(ours.map(({ Key = '', Value = '' }) => [Key.slice(prefix.length), Value]))
}

/** Filters for Describe calls: everything whose marks are these. */
export function filtersFor(marks: Partial<Marks>): { Name: string; Values: string[] }[] {
  return Object.entries(marks).flatMap(([key, value]) =>
    value === undefined ? [] : [{ Name: `tag:${tagName(key)}`, Values: [value] }],
  )
}

export function isArchitecture(name: string | undefined): name is ArchitectureName {
  return name === 'x86_64' || name === 'aarch64'
}
