import type { z } from 'zod'
import { architectureNames } from '#arch/index.ts'
import { knownKeys } from './json-schema.ts'
import type { Problem } from './problems.ts'
import { ruleInWords, unsaid } from './rules.ts'
import { factoryFile } from './schema.ts'
import type { FactoryFile } from './schema.ts'
import type { Path, Source } from './source.ts'
import { didYouMean, nearest, unknownArchitecture } from './suggest.ts'

type Issue = z.core.$ZodIssue

export interface Validated {
  problems: Problem[]
  /** The top-level sections that can be understood once what is wrong is left out. */
  sections: Partial<FactoryFile>
  /** The top-level keys below which there are problems. */
  faulty: Set<string>
}

/**
 * Holds the file against the schema and returns every problem. The sections are there so that checks between them do
 * not wait for the next run.
 */
export function validate(source: Source): Validated {
  const result = factoryFile.safeParse(source.value, { error: ruleInWords })
  if (result.success) return { problems: [], sections: result.data, faulty: new Set() }
  const { issues } = result.error
  return {
    problems: issues.flatMap((issue) => describe(issue, issue.path as Path, source)),
    sections: understandable(source.value, issues),
    faulty: new Set(issues.map(({ path }) => String(path[0]))),
  }
}

function describe(issue: Issue, path: Path, source: Source): Problem[] {
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.message === unsaid
        ? issue.keys.map((key) => unknownKey(path, key, source))
        : [problemOfKey([...path, issue.keys[0] ?? ''], issue.message, source)]
    case 'invalid_type':
      return [wrongType(path, [issue.expected], source)]
    case 'invalid_value':
      return [wrongValue(path, issue.values.map(String), source)]
    case 'invalid_key': {
      const rule = issue.issues[0]?.message ?? 'is not allowed here'
      return [problemOfKey(path, `the key "${String(path.at(-1))}" ${rule}`, source)]
    }
    case 'invalid_union':
      return describeUnion(issue, path, source)
    case 'custom': {
      const code = issue.params?.['code']
      if (typeof code === 'string') return [{ ...problem(path, issue.message, source), code }]
      return [broken(path, issue.message, source)]
    }
    default:
      return [broken(path, issue.message, source)]
  }
}

/** Speaks about the alternative that the user meant: the one whose outermost type is right. */
function describeUnion(issue: z.core.$ZodIssueInvalidUnion, path: Path, source: Source): Problem[] {
  if (issue.discriminator !== undefined) {
    return [wrongValue(path, ((issue as { options?: unknown[] }).options ?? []).map(String), source)]
  }
  const value = valueAt(source.value, path)
  const outermost = (issues: readonly Issue[]) => issues.find(({ path: inner }) => inner.length === 0)
  const inside = issue.errors.find((issues) => issues.length > 0 && outermost(issues) === undefined)
  const meant = issue.errors.find((issues) => {
    const code = outermost(issues)?.code
    return code !== 'invalid_type' && !(code === 'invalid_value' && typeof value === 'object')
  })
  const chosen = meant ?? inside
  if (chosen !== undefined) {
    return chosen.flatMap((inner) => describe(inner, [...path, ...(inner.path as Path)], source))
  }
  const expected = issue.errors.flatMap((issues) => {
    const inner = outermost(issues)
    return inner?.code === 'invalid_type' ? [inner.expected] : []
  })
  return [wrongType(path, expected, source)]
}

function unknownKey(path: Path, key: string, source: Source): Problem {
  const known = knownKeys(path, source.value)
  const architectures = architectureNames.every((name) => known.includes(name))
  const message = architectures ? unknownArchitecture(key) : `unknown key "${key}"${didYouMean(key, known)}`
  return problemOfKey([...path, key], message, source)
}

function wrongType(path: Path, expected: readonly string[], source: Source): Problem {
  const value = valueAt(source.value, path)
  const wanted = [...new Set(expected.map((type) => typeNames[type] ?? type))].join(' or ')
  if (value === undefined) return missing(path, wanted, source)
  const quotable = typeof value === 'number' || typeof value === 'boolean'
  const quoted =
    quotable && expected.includes('string') ? `: put it in quotes, "${source.written(path)}"` : ''
  return problem(path, `expected ${wanted}, found ${foundName(value, path, source)}${quoted}`, source)
}

function wrongValue(path: Path, values: readonly string[], source: Source): Problem {
  const value = valueAt(source.value, path)
  if (value === undefined) return missing(path, oneOf.format(values), source)
  if (value === null) return wrongType(path, ['string'], source)
  const text = String(value)
  if (architectureNames.every((name) => values.includes(name))) {
    return problem(path, unknownArchitecture(text), source)
  }
  const meant = nearest(text, values)
  const suggestion = meant === undefined ? '' : `; did you mean "${meant}"?`
  return problem(path, `${shownValue(path, source)} is not one of ${values.join(', ')}${suggestion}`, source)
}

function missing(path: Path, wanted: string, source: Source): Problem {
  return problem(path.slice(0, -1), `the key "${String(path.at(-1))}" is missing (${wanted})`, source)
}

/** The sentence of a rule begins with the value, or with the path alone where there is none or it is a map or a list. */
function broken(path: Path, rule: string, source: Source): Problem {
  const value = valueAt(source.value, path)
  if (value !== undefined) {
    const shown = typeof value === 'object' ? '' : `${shownValue(path, source)} `
    return problem(path, `${shown}${rule}`, source)
  }
  return { code: 'configuration-invalid', place: source.place(path), message: `${dotted(path)} ${rule}` }
}

/** Speaks of the map and points at its key. */
function problemOfKey(path: Path, message: string, source: Source): Problem {
  const place = source.placeOfKey(path)
  return { code: 'configuration-invalid', place, message: `${said(path.slice(0, -1))}${message}` }
}

function problem(path: Path, message: string, source: Source): Problem {
  return { code: 'configuration-invalid', place: source.place(path), message: `${said(path)}${message}` }
}

/** `a, b or c` */
const oneOf = new Intl.ListFormat('en-GB', { type: 'disjunction' })

const typeNames: Record<string, string> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  record: 'a map',
}

function foundName(value: unknown, path: Path, source: Source): string {
  if (value === null) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a map'
  return `the ${typeof value} ${source.written(path) ?? String(value)}`
}

function shownValue(path: Path, source: Source): string {
  return JSON.stringify(valueAt(source.value, path)) ?? 'nothing'
}

function said(path: Path): string {
  return path.length === 0 ? '' : `${dotted(path)}: `
}

function dotted(path: Path): string {
  const parts = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`))
  return parts.join('').replace(/^\./, '')
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inner, key) => (inner as Record<string | number, unknown> | null)?.[key],
    value,
  )
}

function understandable(value: unknown, issues: readonly Issue[]): Partial<FactoryFile> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {}
  const pruned = structuredClone(value) as Record<string, unknown>
  for (const issue of issues) {
    if (issue.code === 'unrecognized_keys')
      for (const key of issue.keys) drop(pruned, [...(issue.path as Path), key])
    else drop(pruned, issue.path as Path)
  }
  const sections = Object.entries(factoryFile.shape).flatMap(([key, schema]) => {
    const parsed = schema.safeParse(pruned[key])
    return parsed.success ? [[key, parsed.data]] : []
  })
  return Object.fromEntries(sections) as Partial<FactoryFile>
}

function drop(value: unknown, path: Path): void {
  const parent = valueAt(value, path.slice(0, -1))
  if (typeof parent !== 'object' || parent === null || Array.isArray(parent)) return
  delete (parent as Record<string, unknown>)[String(path.at(-1))]
}
