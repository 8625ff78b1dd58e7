import { isLong } from './chaos/cloud-points.ts'
import { chooseSeed } from './chaos/random.ts'

/**
 * Of several ways to do the same harm one for each call, another one in a run whose seed (`CHAOS_SEED`) is higher by one;
 * all of them in a long run.
 */
export function inTurns(): <T>(ways: readonly T[]) => readonly T[] {
  const seed = chooseSeed()
  let calls = 0
  return (ways) => (isLong ? ways : ways.slice((seed + calls++) % ways.length).slice(0, 1))
}
