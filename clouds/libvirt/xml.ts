import { XMLParser } from 'fast-xml-parser'

/** XML that is already escaped; only `xml` makes it. */
export interface Xml {
  readonly markup: string
}

type Insert = Xml | string | number | undefined | readonly Xml[]

/** A template for XML: everything inserted is escaped unless it is XML itself, lists are joined, undefined is nothing. */
export function xml(parts: TemplateStringsArray, ...inserts: Insert[]): Xml {
  const markup = parts.map((part, index) => part + render(inserts[index])).join('')
  return { markup }
}

function render(insert: Insert): string {
  if (insert === undefined) return ''
  if (typeof insert === 'string' || typeof insert === 'number') return escape(String(insert))
  return 'markup' in insert ? insert.markup : insert.map(({ markup }) => markup).join('')
}

const escapes: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
}

function escape(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => escapes[character]!)
}

/** One element as it was read; every child name has a list, in document order. */
export interface XmlElement {
  attributes: Record<string, string>
  text: string
  children: Record<string, XmlElement[]>
}

const parser = new XMLParser({
  ignoreAttributes: false,
  attributesGroupName: '@',
  attributeNamePrefix: '',
  textNodeName: '#',
  alwaysCreateTextNode: true,
  parseTagValue: false,
  parseAttributeValue: false,
  isArray: (name, _path, _isLeaf, isAttribute) => !isAttribute && name !== '?xml',
})

/** Reads a document of libvirt and returns its root element; throws when the root has another name. */
export function parseXml(text: string, rootName: string): XmlElement {
  const root = toElement(parser.parse(text)).children[rootName]?.[0]
  if (!root) throw new TypeError(`libvirt answered with something that is no <${rootName}>`)
  return root
}

/** All elements under `element` on a path of child names, like `os/type`. */
export function select(element: XmlElement, path: string): XmlElement[] {
  return path
    .split('/')
    .reduce((found, name) => found.flatMap((each) => each.children[name] ?? []), [element])
}

/** The text of the first element on the path; undefined when there is none. */
export function textOf(element: XmlElement, path: string): string | undefined {
  return select(element, path)[0]?.text
}

/** An attribute of the first element on the path; undefined when there is none. */
export function attributeOf(element: XmlElement, path: string, name: string): string | undefined {
  return select(element, path)[0]?.attributes[name]
}

function toElement(parsed: unknown): XmlElement {
  const element: XmlElement = { attributes: {}, text: '', children: {} }
  if (typeof parsed !== 'object' || parsed === null) return element
  for (const [name, value] of Object.entries(parsed)) {
    if (name === '@') element.attributes = value as Record<string, string>
    else if (name === '#') element.text = String(value)
    else if (Array.isArray(value)) element.children[name] = value.map(toElement)
  }
  return element
}
