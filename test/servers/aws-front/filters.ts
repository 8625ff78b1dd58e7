import { filtersOf } from './query.ts'
import type { Filter, Parameters } from './query.ts'
import { Refusal } from './refusal.ts'
import { tagsIn, texts } from './xml.ts'
import type { Node } from './xml.ts'

/** Whether all `Filter.N` of the request let the item through; refuses a filter that is in no list, as EC2 does. */
export function matches(
  item: Node,
  parameters: Parameters,
  paths: Readonly<Record<string, string>>,
): boolean {
  return filtersOf(parameters).every((filter) => {
    const found = valuesFor(item, filter, paths)
    return filter.values.some((pattern) => found.some((value) => wildcard(pattern).test(value)))
  })
}

function valuesFor(item: Node, { name }: Filter, paths: Readonly<Record<string, string>>): string[] {
  const tags = tagsIn(item)
  if (name === 'tag-key') return Object.keys(tags)
  if (name === 'tag-value') return Object.values(tags)
  if (name.startsWith('tag:')) return [tags[name.slice(4)] ?? []].flat()
  const path = paths[name]
  if (path === undefined)
    throw new Refusal({ code: 'InvalidParameterValue', message: `The filter '${name}' is invalid` })
  return texts(item, path)
}

/** `*` is any text and `?` any character; a backslash takes that from them. */
function wildcard(pattern: string): RegExp {
  const source = pattern.replace(/\\([*?\\])|[*?]|[.+^${}()|[\]\\]/g, (found, literal?: string) => {
    if (literal !== undefined) return `\\${literal}`
    if (found === '*') return '.*'
    return found === '?' ? '.' : `\\${found}`
  })
  return new RegExp(`^${source}$`, 's')
}
