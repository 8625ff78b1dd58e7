import { LineCounter, isAlias, isMap, isNode, isScalar, isSeq, parseDocument } from 'yaml'
import type { Document, Node, Pair, YAMLError } from 'yaml'
import type { Place, Problem } from './problems.ts'

export type Path = readonly (string | number)[]

/** A YAML file as plain values, with the way back from every value to its place in the text. */
export interface Source {
  readonly file: string
  readonly value: unknown
  /** What is wrong with the YAML itself. */
  readonly problems: readonly Problem[]
  /** Whether the values are worth looking at in spite of the problems. */
  readonly readable: boolean
  /** The place of the value at the path, or of the nearest thing around it that exists. */
  place(path: Path): Place
  /** The place of the key that the path ends in. */
  placeOfKey(path: Path): Place
  /** The value's text as it was written, e.g. `3.10` where YAML reads the number 3.1. */
  written(path: Path): string | undefined
}

/** Reads YAML and keeps its positions; never throws. `file` is the name that messages show. */
export function readSource(text: string, file: string): Source {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const problems: Problem[] = [...document.errors, ...document.warnings].map((error) => ({
    code: 'yaml-invalid',
    place: placeAt(error.pos[0]),
    message: yamlMessage(error, text),
  }))
  const { value, problem } = toValue(document)
  if (problem !== undefined) problems.push({ code: 'yaml-invalid', place: placeAt(0), message: problem })
  return {
    file,
    value,
    problems,
    readable: problem === undefined && document.errors.every((error) => error.code === 'DUPLICATE_KEY'),
    place: (path) => placeAt(offsetOf(document, path)),
    placeOfKey: (path) => placeAt(keyOffsetOf(document, path) ?? offsetOf(document, path)),
    written: (path) => {
      const node = document.getIn(path, true)
      return isScalar(node) && node.range ? text.slice(node.range[0], node.range[1]) : undefined
    },
  }
}

function toValue(document: Document): { value?: unknown; problem?: string } {
  try {
    return { value: document.toJS({ maxAliasCount: 50 }) }
  } catch (error) {
    return { problem: `YAML: ${firstLine(error instanceof Error ? error.message : String(error))}` }
  }
}

function yamlMessage(error: YAMLError, text: string): string {
  if (error.code === 'MULTIPLE_DOCS') return 'YAML: a second document starts here; the file must be one'
  if (error.code !== 'DUPLICATE_KEY') return `YAML: ${firstLine(error.message)}`
  const key = /^[^:\n]*/.exec(text.slice(error.pos[0]))?.[0].trim()
  return `the key "${key}" stands here a second time`
}

function firstLine(message: string): string {
  return (message.split('\n')[0] ?? '').replace(/:$/, '')
}

function offsetOf(document: Document, path: Path): number {
  let offset = document.contents?.range?.[0] ?? 0
  for (let length = 1; length <= path.length; length += 1) {
    const node = document.getIn(path.slice(0, length), true)
    const key = keyOffsetOf(document, path.slice(0, length))
    if (isNode(node) && node.range && !(isScalar(node) && node.value === null)) offset = node.range[0]
    else if (key === undefined) return offset
    else offset = key
  }
  return offset
}

function keyOffsetOf(document: Document, path: Path): number | undefined {
  const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true)
  const target = isAlias(parent) ? parent.resolve(document) : parent
  if (isSeq(target)) return (target.items[Number(path.at(-1))] as Node | undefined)?.range?.[0]
  if (!isMap(target)) return undefined
  const pair = (target.items as Pair<Node, Node>[]).find(
    ({ key }) => isScalar(key) && String(key.value) === String(path.at(-1)),
  )
  return pair?.key.range?.[0]
}
