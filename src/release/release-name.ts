/** The next name as Fedora CoreOS counts: `YYYYMMDD.N`, the day in UTC, N from 0. */
export function nextReleaseName(known: readonly string[], now: Date): string {
  const day = now.toISOString().slice(0, 10).replaceAll('-', '')
  const counts = known
    .filter((name) => name.startsWith(`${day}.`))
    .map((name) => Number(name.slice(day.length + 1)))
    .filter((count) => Number.isSafeInteger(count))
  return `${day}.${Math.max(-1, ...counts) + 1}`
}
