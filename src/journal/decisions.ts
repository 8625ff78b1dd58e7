/** What a person chose, or the engine where `by` is absent. */
export interface Decision {
  /** Milliseconds since 1970. */
  at: number
  by?: string
  why?: string
  /** Against what the release says of itself. */
  forced?: boolean
}

/** The decision that a record holds. */
export function decisionOf(record: {
  at: number
  by?: string | undefined
  why?: string | undefined
  forced?: boolean | undefined
}): Decision {
  const { at, by, why, forced } = record
  return {
    at,
    ...(by === undefined ? {} : { by }),
    ...(why === undefined ? {} : { why }),
    ...(forced === undefined ? {} : { forced }),
  }
}
