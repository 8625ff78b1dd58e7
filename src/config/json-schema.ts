import { z } from 'zod'
import { factoryFile } from './schema.ts'
import type { Path } from './source.ts'

export interface JsonSchema {
  type?: string
  description?: string
  default?: unknown
  enum?: readonly unknown[]
  const?: unknown
  properties?: Record<string, JsonSchema>
  required?: readonly string[]
  propertyNames?: JsonSchema
  additionalProperties?: JsonSchema | boolean
  items?: JsonSchema
  anyOf?: readonly JsonSchema[]
  oneOf?: readonly JsonSchema[]
}

/** The JSON Schema of `factory.yaml`, for editors and for the reference page. */
export function configurationJsonSchema(): JsonSchema {
  return z.toJSONSchema(factoryFile, { io: 'input' }) as JsonSchema
}

/** The keys that a map at this path may have, for suggestions; the value decides between kinds of a cloud. */
export function knownKeys(path: Path, value: unknown): string[] {
  let schemas = [configurationJsonSchema()]
  let inner = value
  for (const key of path) {
    inner = (inner as Record<string | number, unknown> | null | undefined)?.[key]
    schemas = schemas.flatMap((schema) => step(schema, key)).filter((schema) => fits(schema, inner))
  }
  return [...new Set(schemas.flatMap(keysOf))]
}

function step(schema: JsonSchema, key: string | number): JsonSchema[] {
  const child =
    typeof key === 'number' ? schema.items : (schema.properties?.[key] ?? schema.additionalProperties)
  return typeof child === 'object' ? alternatives(child) : []
}

function alternatives(schema: JsonSchema): JsonSchema[] {
  const inner = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]
  return inner.length === 0 ? [schema] : inner.flatMap(alternatives)
}

function fits(schema: JsonSchema, value: unknown): boolean {
  const kind = schema.properties?.['kind']?.const
  return kind === undefined || kind === (value as { kind?: unknown } | null | undefined)?.kind
}

function keysOf(schema: JsonSchema): string[] {
  return [...Object.keys(schema.properties ?? {}), ...((schema.propertyNames?.enum ?? []) as string[])]
}
