import { FactoryError } from '#src/errors.ts'

/** Decides which paths of a build context stay at home. */
export interface IgnoreRules {
  /** Whether the file leaves a path (relative, with slashes) out; a later rule beats an earlier one. */
  ignores(path: string): boolean
  /** Whether nothing below an ignored directory can come back, so that it need not be looked into. */
  readonly final: boolean
}

interface Rule {
  keeps: boolean
  pattern: RegExp
}

/**
 * Reads a `.containerignore` or `.dockerignore` as podman and Docker do
 * (https://docs.docker.com/build/concepts/context/#dockerignore-files). It looks like .gitignore and is not: patterns
 * begin at the context's root, match directories with all below them, and `!` brings files back from left-out
 * directories. `label` is the file's name for messages.
 */
export function readIgnoreRules(text: string, label: string): IgnoreRules {
  const rules: Rule[] = []
  for (const [index, line] of text
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .entries()) {
    if (line.startsWith('#')) continue
    const trimmed = line.trim()
    const keeps = trimmed.startsWith('!')
    const pattern = cleanPattern(keeps ? trimmed.slice(1).trim() : trimmed)
    if (pattern === '') continue
    rules.push({ keeps, pattern: compile(pattern, `${label}:${index + 1}`) })
  }

  return {
    final: !rules.some((rule) => rule.keeps),
    ignores(path) {
      const steps = path.split('/')
      const paths = steps.map((_, index) => steps.slice(0, index + 1).join('/'))
      const last = rules.findLast((rule) => paths.some((candidate) => rule.pattern.test(candidate)))
      return last !== undefined && !last.keeps
    },
  }
}

function cleanPattern(pattern: string): string {
  const steps: string[] = []
  for (const step of pattern.split('/')) {
    if (step === '' || step === '.') continue
    if (step === '..' && steps.length > 0 && steps.at(-1) !== '..') steps.pop()
    else if (step !== '..' || !pattern.startsWith('/')) steps.push(step)
  }
  return steps.join('/')
}

/** `*` and `?` stay within a directory, `**` does not, a backslash takes the next character as it is. */
function compile(pattern: string, where: string): RegExp {
  let source = ''
  for (let at = 0; at < pattern.length; at += 1) {
    const character = pattern[at] as string
    if (character === '*' && pattern[at + 1] === '*') {
      while (pattern[at + 1] === '*') at += 1
      if (pattern[at + 1] === '/') at += 1
      source += at + 1 === pattern.length ? '.*' : '(?:.*/)?'
    } else if (character === '*') source += '[^/]*'
    else if (character === '?') source += '[^/]'
    else if (character === '[') {
      const end = pattern.indexOf(']', at + 2)
      if (end === -1) throw broken(pattern, where)
      source += `(?!/)${pattern.slice(at, end + 1)}`
      at = end
    } else {
      if (character === '\\') at += 1
      if (at >= pattern.length) throw broken(pattern, where)
      source += RegExp.escape(pattern[at] as string)
    }
  }
  try {
    return new RegExp(`^${source}$`, 's')
  } catch {
    throw broken(pattern, where)
  }
}

function broken(pattern: string, where: string): FactoryError {
  return new FactoryError({
    code: 'context-ignore-broken',
    message: `${where}: ${JSON.stringify(pattern)} is no pattern`,
    hint: 'Close its bracket, or put a backslash before the character that is meant as it is.',
    class: 'user',
  })
}
