import { XMLBuilder, XMLParser } from 'fast-xml-parser'
import type { Answer } from './call.ts'

/** An element: text, or elements by name; everything named `item` is a list. */
export type Node = { [name: string]: Node | Node[] | string | undefined }

const namespace = 'http://ec2.amazonaws.com/doc/2016-11-15/'
const parser = new XMLParser({
  ignoreAttributes: true,
  ignoreDeclaration: true,
  parseTagValue: false,
  isArray: (name) => name === 'item',
})
const builder = new XMLBuilder({ suppressEmptyNode: true })

/** The content of the one element that an EC2 answer consists of. */
export function parseAnswer(body: Buffer): Node {
  const document = parser.parse(body) as Node
  const [root] = Object.values(document)
  if (root === undefined || typeof root === 'string' || Array.isArray(root)) return {}
  return root
}

/** The elements of a set; an empty set is written as an empty element. */
export function items(set: Node[string]): Node[] {
  if (set === undefined || typeof set === 'string' || Array.isArray(set)) return []
  return Array.isArray(set['item']) ? set['item'] : []
}

/** The text of an element below the node, by a path with dots; undefined where there is none. */
export function text(node: Node | undefined, path: string): string | undefined {
  let here: Node[string] = node
  for (const name of path.split('.')) {
    if (here === undefined || typeof here === 'string' || Array.isArray(here)) return undefined
    here = here[name]
  }
  return typeof here === 'string' ? here : undefined
}

/** The texts of all elements below the node that have the path, through every list on the way. */
export function texts(node: Node[string], path: string): string[] {
  if (Array.isArray(node)) return node.flatMap((each) => texts(each, path))
  if (path === '') return typeof node === 'string' ? [node] : []
  if (node === undefined || typeof node === 'string') return []
  const [name = '', ...rest] = path.split('.')
  return texts(node[name], rest.join('.'))
}

/** An EC2 answer of the action with the given content. */
export function ec2Answer(action: string, content: Node, status = 200): Answer {
  const body = buildXml(`${action}Response`, namespace, content)
  return { status, headers: { 'content-type': 'text/xml;charset=UTF-8' }, body }
}

export function buildXml(root: string, xmlns: string, content: Node): Buffer {
  const inner = builder.build(content) as string
  return Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n<${root} xmlns="${xmlns}">${inner}</${root}>`)
}

/** Tags as EC2 shows them. */
export function tagSet(tags: Readonly<Record<string, string>>): Node {
  return { item: Object.entries(tags).map(([key, value]) => ({ key, value })) }
}

export function tagsIn(node: Node): Record<string, string> {
  return Object.fromEntries(
    items(node['tagSet']).map((tag) => [text(tag, 'key') ?? '', text(tag, 'value') ?? '']),
  )
}

export function escapeXml(said: string): string {
  return said.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
