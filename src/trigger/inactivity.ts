import type { FactoryState } from '#src/journal/replay.ts'
import { formatDuration } from '#src/units.ts'
import { beginningOf, begins, freshTick, ruleState } from './ticks.ts'
import type { Rule } from './types.ts'

const firstPauseMs = 3_600_000
const dayMs = 86_400_000
const source = 'no release yet'

/** What the time is counted from: the newest promotable release, or the beginning where there is none. */
interface Since {
  name: string
  at: number
}

/**
 * Due when there has been no promotable release for so long. A tick is called by the release that it counts from. After a
 * tick that found nothing to do the same time passes again, and after one that brought no promotable release a pause that
 * doubles from an hour to a day.
 */
export function inactivityRule(inactivityMs: number): Rule {
  const dueAt = (state: FactoryState, since: Since): number => {
    const counted = ruleState(state, 'inactivity').ticks.filter(
      ({ tick }) => tick === since.name || tick.startsWith(`${since.name} #`),
    )
    const last = counted.at(-1)
    if (last === undefined) return since.at + inactivityMs
    const lastAt = last.doneAt ?? last.takenAt
    if (last.outcome === 'nothing-changed') return lastAt + inactivityMs
    const vain = counted.length - 1 - counted.findLastIndex(({ outcome }) => outcome === 'nothing-changed')
    return lastAt + Math.min(firstPauseMs * 2 ** (vain - 1), dayMs, inactivityMs)
  }
  return {
    name: 'inactivity',
    meaning: `when there has been no promotable release for ${inDays(inactivityMs)}`,
    overlap: 'wait',
    nextAt(state, now) {
      const since = sinceOf(state)
      return since === undefined ? now : dueAt(state, since)
    },
    async look(state, now) {
      const since = sinceOf(state)
      if (since === undefined) return begins(source, now)
      if (dueAt(state, since) > now) return {}
      const tick = freshTick(ruleState(state, 'inactivity'), since.name)
      const why = `there has been no promotable release for ${inDays(inactivityMs)}: ${since.name}`
      return { due: { rule: 'inactivity', tick, why } }
    },
  }
}

/** `candidate` is the newest promotable release; its time is that of its last image. */
function sinceOf(state: FactoryState): Since | undefined {
  const newest = state.releases.findLast(({ release }) => release === state.channels.candidate)
  if (newest !== undefined) {
    const at = Math.max(newest.openedAt, ...newest.images.map(({ publishedAt }) => publishedAt))
    return { name: newest.release, at }
  }
  const at = beginningOf(ruleState(state, 'inactivity'), source)
  return at === undefined ? undefined : { name: `none since ${new Date(at).toISOString()}`, at }
}

function inDays(ms: number): string {
  if (ms % dayMs !== 0) return formatDuration(ms)
  return ms === dayMs ? 'a day' : `${ms / dayMs} days`
}
