import { configurationJsonSchema } from './json-schema.ts'
import type { JsonSchema } from './json-schema.ts'
import { starterFile } from './starter.ts'

/** The page docs/configuration.md, made from the schema so that it cannot say anything else than the program does. */
export function configurationPage(): string {
  const schema = configurationJsonSchema()
  const sections = Object.entries(schema.properties ?? {}).map(([key, section]) => {
    const inner = childrenOf(key, section)
    const needed = schema.required?.includes(key) ?? false
    if (inner.length === 0) return `## ${key}\n\n${table([rowOf(key, section, needed)])}`
    return `## ${key}\n\n${section.description ?? ''}${needed ? ' Required.' : ''}\n\n${table(inner)}`
  })
  return `${introduction}\n${sections.join('\n')}\n## An example\n\n\`\`\`yaml\n${starterFile}\`\`\`\n`
}

const introduction = `# Configuration

This page is made from the schema; \`npx vitest run test/config -u\` writes it again.

One file, \`factory.yaml\`, says what is built, where, and where it goes. \`factory init\` writes a commented one and
\`factory schema\` prints its JSON Schema for editors. Unknown keys are errors. Every problem of the file is told at once,
as \`file:line:column\`. Relative paths start at the file's directory.

State (the journal, artifacts, logs) lives in \`.factory/\` beside the file; the environment variable \`FACTORY_HOME\`
names another directory.
`

interface Row {
  key: string
  type: string
  default: string
  meaning: string
}

function rowOf(key: string, schema: JsonSchema, needed: boolean): Row {
  return { key, type: typeOf(schema), default: defaultOf(schema, needed), meaning: schema.description ?? '' }
}

function childrenOf(key: string, schema: JsonSchema): Row[] {
  const listed = Object.entries(schema.properties ?? {}).flatMap(([name, child]) => [
    rowOf(`${key}.${name}`, child, schema.required?.includes(name) ?? false),
    ...childrenOf(`${key}.${name}`, child),
  ])
  const { additionalProperties, items } = schema
  const byName =
    typeof additionalProperties === 'object' ? nested(`${key}.${nameOf(schema)}`, additionalProperties) : []
  const elements = items === undefined ? [] : nested(`${key}[]`, items)
  return [...listed, ...byName, ...elements]
}

function nested(key: string, schema: JsonSchema): Row[] {
  const kinds = schema.oneOf ?? []
  if (kinds.length === 0) return childrenOf(key, schema)
  return kinds.flatMap((kind) => childrenOf(key, kind))
}

function nameOf(schema: JsonSchema): string {
  return schema.propertyNames?.enum === undefined ? '‹name›' : '‹architecture›'
}

function typeOf(schema: JsonSchema): string {
  const choices = schema.anyOf ?? schema.oneOf
  if (choices !== undefined) return [...new Set(choices.map(typeOf))].join(' or ')
  if (schema.const !== undefined) return `\`${String(schema.const)}\``
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(', ')
  if (schema.type === 'array') return `list of ${typeOf(schema.items ?? {})}`
  if (schema.type === 'object') {
    const values = schema.additionalProperties
    return typeof values === 'object' ? `map of ${nameOf(schema)} to ${typeOf(values)}` : 'map'
  }
  return schema.type ?? 'any'
}

function defaultOf(schema: JsonSchema, needed: boolean): string {
  if (needed) return 'required'
  return schema.default === undefined || schema.type === 'object'
    ? ''
    : `\`${JSON.stringify(schema.default)}\``
}

function table(entries: readonly Row[]): string {
  const lines = entries.map(
    (row) =>
      `| \`${row.key}\` | ${row.type} | ${row.default} | ${row.meaning.replaceAll('|', String.raw`\|`)} |`,
  )
  return `| Key | Type | Default | Meaning |\n|---|---|---|---|\n${lines.join('\n')}\n`
}
