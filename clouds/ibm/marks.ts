import type { Lease } from '#clouds/types.ts'

/** The marks that everything of ours bears. */
export type Marks = Readonly<Record<string, string>>

const prefix = 'factory-'
/** https://cloud.ibm.com/docs/account?topic=account-tag: letters of one case, digits, spaces, `_-.` and one colon. */
const longestTag = 128
/** A tag with a colon has something on both sides of it; no escaped text is this. */
const nothing = '_'

export function leaseMarks({ id, owner, release, arch, expires }: Lease): Marks {
  return { owner, release, arch, lease: id, expires }
}

/** Marks as user tags, `factory-NAME:VALUE`; a value that is too long for one goes on in `factory-NAME.2:`. */
export function tagsOf(marks: Marks, own: readonly string[] = []): string[] {
  const ours = Object.entries(marks).flatMap(([name, value]) => {
    const room = longestTag - prefix.length - name.length - '.99:'.length
    const pieces = escaped(value).match(new RegExp(`.{1,${room}}`, 'g')) ?? [nothing]
    return pieces.map((piece, index) => `${keyOf(name, index)}:${piece}`)
  })
  return [...ours, ...own]
}

/** Our marks among the tags of something. */
export function marksOf(tags: readonly string[]): Partial<Marks> {
  const pieces = new Map<string, string[]>()
  for (const tag of tags) {
    const [, name, number = '1', piece] = /^factory-([a-z0-9-]+)(?:\.(\d+))?:(.*)$/.exec(tag) ?? []
    if (name === undefined || piece === undefined) continue
    const known = pieces.get(name) ?? []
    known[Number(number) - 1] = piece
    pieces.set(name, known)
  }
  const valueOf = (text: string) => (text === nothing ? '' : unescaped(text))
  return Object.fromEntries([...pieces].map(([name, all]) => [name, valueOf(all.join(''))]))
}

/** Text in the characters that names of tags and objects have in common; `__` is never in it. */
export function escaped(text: string): string {
  return [...Buffer.from(text)]
    .map((byte) => {
      const letter = String.fromCodePoint(byte)
      return /[a-z0-9.-]/.test(letter) ? letter : `_${byte.toString(16).padStart(2, '0')}`
    })
    .join('')
}

export function unescaped(text: string): string {
  const bytes = text.replaceAll(/_([0-9a-f]{2})|([^_])/g, (_, hex?: string, letter?: string) =>
    hex === undefined
      ? Buffer.from(letter ?? '').toString('latin1')
      : String.fromCodePoint(Number.parseInt(hex, 16)),
  )
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

function keyOf(name: string, index: number): string {
  return `${prefix}${name}${index === 0 ? '' : `.${index + 1}`}`
}
