interface Sample {
  at: number
  doneBytes: number
}

/** How fast bytes move, over the last seconds and not since the beginning: a stall shows as a stall. */
export interface Rate {
  /** `at` in milliseconds, `doneBytes` since the start of the transfer; going backwards means that it began anew. */
  add(at: number, doneBytes: number): void
  /** Bytes a second; undefined until there is a second to look at. */
  bytesPerSecond(): number | undefined
  /** Milliseconds until `totalBytes`; undefined when nothing moves. */
  etaMs(totalBytes: number): number | undefined
}

export function slidingRate(windowMs = 10_000): Rate {
  let samples: Sample[] = []
  const rate: Rate = {
    add(at, doneBytes) {
      const last = samples.at(-1)
      if (last && doneBytes < last.doneBytes) samples = []
      samples.push({ at, doneBytes })
      while (samples.length > 2 && at - (samples[1]?.at ?? at) >= windowMs) samples.shift()
    },
    bytesPerSecond() {
      const [first, last] = [samples[0], samples.at(-1)]
      if (!first || !last || last.at - first.at < 1000) return undefined
      return ((last.doneBytes - first.doneBytes) * 1000) / (last.at - first.at)
    },
    etaMs(totalBytes) {
      const speed = rate.bytesPerSecond()
      const doneBytes = samples.at(-1)?.doneBytes ?? 0
      if (speed === undefined || speed <= 0) return undefined
      return Math.max(0, ((totalBytes - doneBytes) / speed) * 1000)
    },
  }
  return rate
}
