import { distance } from 'fastest-levenshtein'
import { architectureNames, architectures, fromOci } from '#arch/index.ts'
import type { ArchitectureName } from '#arch/index.ts'

/** The candidate that a mistyped word most likely meant; undefined when none is near. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const allowed = Math.ceil(word.length * 0.4)
  const ranked = candidates
    .map((candidate) => ({ candidate, away: distance(word.toLowerCase(), candidate.toLowerCase()) }))
    .toSorted((a, b) => a.away - b.away)
  const best = ranked[0]
  return best !== undefined && best.away <= allowed ? best.candidate : undefined
}

/** `; did you mean "name"?`, or a list of what there is when nothing is near. */
export function didYouMean(word: string, candidates: readonly string[]): string {
  const meant = nearest(word, candidates)
  if (meant !== undefined) return `; did you mean "${meant}"?`
  return candidates.length === 0 ? '' : `; known: ${candidates.join(', ')}`
}

/** Says that a word is no architecture and which one it is in other people's spelling: `amd64`, `arm64`, `ppc64el`. */
export function unknownArchitecture(word: string): string {
  const meant = inOtherSpelling(word) ?? nearest(word, architectureNames)
  const suggestion =
    meant === undefined ? `; known: ${architectureNames.join(', ')}` : `; did you mean "${meant}"?`
  return `unknown architecture "${word}"${suggestion}`
}

function inOtherSpelling(word: string): ArchitectureName | undefined {
  const plain = word.toLowerCase()
  return (
    fromOci(plain) ??
    architectureNames.find((name) => architectures[name].debian === plain) ??
    architectureNames.find((name) => name === plain.replaceAll('-', '_'))
  )
}
