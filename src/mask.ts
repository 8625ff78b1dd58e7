const stars = '***'
/** Masking shorter values would take ordinary words apart and hide nothing. */
const shortestSecret = 4
/** Lines of a multi-line secret that are shorter than this stand in many texts. */
const shortestLine = 8

/** Takes the values of secrets out of whatever is about to be shown, sent or kept. */
export interface Mask {
  /** One more secret; values under 4 characters are not masked. */
  add(secret: string): void
  text(text: string): string
  /** The same for every string in a plain value, keys of objects included; other values stay as they are. */
  deep<T>(value: T): T
}

/**
 * Knows each secret as it is, as base64 at any place of a longer base64 text, URL-encoded, escaped for JSON, and line by
 * line, because tools print secrets in all these forms.
 */
export function createMask(secrets: Iterable<string> = []): Mask {
  const forms = new Set<string>()
  let ordered: string[] = []
  const mask: Mask = {
    add(secret) {
      for (const form of formsOf(secret)) forms.add(form)
      ordered = [...forms].toSorted((a, b) => b.length - a.length)
    },
    text: (text) => ordered.reduce((masked, form) => masked.replaceAll(form, stars), text),
    deep: (value) => deeply(value, mask.text) as typeof value,
  }
  for (const secret of secrets) mask.add(secret)
  return mask
}

function formsOf(secret: string): string[] {
  if (secret.trim().length < shortestSecret) return []
  const lines = secret.split(/\r?\n/).filter((line) => line.trim().length >= shortestLine)
  return [secret, secret.trim(), ...lines].flatMap((text) => [
    text,
    encodeURIComponent(text),
    encodeURIComponent(text).replaceAll('%20', '+'),
    JSON.stringify(text).slice(1, -1),
    ...base64Forms(text),
  ])
}

/** Base64 encodes three bytes at a time, so a value looks different at each of three offsets in a longer text. */
function base64Forms(text: string): string[] {
  const bytes = Buffer.from(text)
  const forms = [0, 1, 2].map((offset) => {
    const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64')
    const knownBits = (offset + bytes.length) * 8
    return encoded.slice(Math.ceil((offset * 8) / 6), Math.floor(knownBits / 6))
  })
  const whole = bytes.toString('base64')
  return [whole, ...forms]
    .filter((form) => form.length >= shortestSecret)
    .flatMap((form) => [form, form.replaceAll('+', '-').replaceAll('/', '_')])
}

function deeply(value: unknown, text: (text: string) => string): unknown {
  if (typeof value === 'string') return text(value)
  if (Array.isArray(value)) return value.map((item) => deeply(item, text))
  if (value === null || typeof value !== 'object') return value
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [text(key), deeply(item, text)]))
}
