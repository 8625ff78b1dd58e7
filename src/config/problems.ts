import { FactoryError } from '#src/errors.ts'
import type { FailureClass } from '#src/errors.ts'

export interface Place {
  /** As people know the file: relative to the working directory where it lies below it. */
  file: string
  /** Both count from 1. */
  line: number
  column: number
}

/** One thing that is wrong in something that a user wrote. */
export interface Problem {
  code: string
  place: Place
  message: string
  hint?: string
  class?: FailureClass
}

/** `file:line:column`, as compilers write it and terminals make it clickable. */
export function formatPlace(place: Place): string {
  return `${place.file}:${place.line}:${place.column}`
}

/**
 * Puts every problem into one error, in the order of the file, so that nobody mends them one run at a time. The code
 * is the problems' own when they share one, else `fallback.code`; the hint likewise.
 */
export function problemsError(
  problems: readonly Problem[],
  fallback: { code: string; hint: string },
): FactoryError {
  const sorted = problems.toSorted(byPlace)
  const lines = sorted.map((problem) => `${formatPlace(problem.place)}: ${problem.message}`)
  const files = [...new Set(sorted.map((problem) => problem.place.file))].join(', ')
  const message =
    lines.length === 1 ? (lines[0] ?? '') : `${lines.length} problems in ${files}:\n  ${lines.join('\n  ')}`
  const hints = [...new Set(sorted.flatMap((problem) => problem.hint ?? []))]
  return new FactoryError({
    code: shared(sorted.map((problem) => problem.code)) ?? fallback.code,
    class: shared(sorted.map((problem) => problem.class ?? 'user')) ?? 'user',
    message,
    hint: hints.length === 0 ? fallback.hint : hints.join('\n'),
    context: { problems: sorted },
  })
}

function byPlace(a: Problem, b: Problem): number {
  return (
    a.place.file.localeCompare(b.place.file) || a.place.line - b.place.line || a.place.column - b.place.column
  )
}

function shared<T>(values: readonly T[]): T | undefined {
  return values.every((value) => value === values[0]) ? values[0] : undefined
}
