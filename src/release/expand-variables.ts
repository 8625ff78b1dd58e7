export interface Expanded {
  text: string
  /** Names that have no value and no default where they stand. */
  missing: string[]
}

/**
 * Expands `$V`, `${V}`, `${V:-default}`, `${V-default}`, `${V:+instead}` and `${V+instead}` as Containerfiles do;
 * defaults may hold variables themselves. A backslash keeps a dollar sign as it is.
 */
export function expandVariables(text: string, values: ReadonlyMap<string, string>): Expanded {
  const missing: string[] = []
  let rest = text
  let out = ''
  while (rest !== '') {
    const dollar = rest.indexOf('$')
    if (dollar === -1) return { text: out + rest, missing }
    if (rest[dollar - 1] === '\\') {
      out += `${rest.slice(0, dollar - 1)}$`
      rest = rest.slice(dollar + 1)
      continue
    }
    const variable = readVariable(rest.slice(dollar))
    const value = variable === undefined ? { text: '$', missing: [] } : valueOf(variable, values)
    missing.push(...value.missing)
    out += rest.slice(0, dollar) + value.text
    rest = rest.slice(dollar + (variable?.length ?? 1))
  }
  return { text: out, missing }
}

interface Variable {
  name: string
  operator?: string
  word?: string
  /** Characters of the whole expression, from the dollar sign on. */
  length: number
}

function readVariable(text: string): Variable | undefined {
  const bare = /^\$([A-Za-z_]\w*)/.exec(text)
  if (bare?.[1] !== undefined) return { name: bare[1], length: bare[0].length }
  const start = /^\$\{([A-Za-z_]\w*)(:?[-+?])?/.exec(text)
  const end = start === null ? -1 : closingBrace(text)
  if (start === null || end === -1) return undefined
  const [whole, name = '', operator] = start
  if (operator === undefined) return end === whole.length ? { name, length: end + 1 } : undefined
  return { name, operator, word: text.slice(whole.length, end), length: end + 1 }
}

function closingBrace(text: string): number {
  let depth = 0
  for (let index = 1; index < text.length; index += 1) {
    if (text[index] === '{') depth += 1
    if (text[index] === '}') depth -= 1
    if (depth === 0) return index
  }
  return -1
}

function valueOf(variable: Variable, values: ReadonlyMap<string, string>): Expanded {
  const { name, operator = '', word = '' } = variable
  const value = values.get(name)
  const given = value !== undefined && (value !== '' || !operator.startsWith(':'))
  if (operator.endsWith('+')) return given ? expandVariables(word, values) : { text: '', missing: [] }
  if (given) return { text: value, missing: [] }
  if (operator.endsWith('-')) return expandVariables(word, values)
  return { text: '', missing: [name] }
}
