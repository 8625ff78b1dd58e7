/** What has a closed set of values, or is a time: nobody can write anything else there. */
const closed = new Set([
  'arch',
  'step',
  'state',
  'result',
  'outcome',
  'mark',
  'marked',
  'kind',
  'format',
  'purpose',
  'severity',
  'verified',
  'class',
  'currency',
  'expires',
  'publishedAt',
])

/** The same value with the text behind every string that has no closed set of values; equal strings stay equal. */
export function poisoned<Value>(value: Value, text: string): Value {
  return poison(value, text) as Value
}

function poison(value: unknown, text: string): unknown {
  if (typeof value === 'string') return value + text
  if (Array.isArray(value)) return value.map((one) => poison(one, text))
  if (value instanceof Map)
    return new Map([...value].map(([key, one]) => [poison(key, text), poison(one, text)]))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, closed.has(key) ? one : poison(one, text)]),
  )
}
