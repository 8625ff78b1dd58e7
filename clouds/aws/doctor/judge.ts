import type { Permission } from './permissions.ts'
import type { Signal } from './signals.ts'
import type { Simulation } from './simulate.ts'

export interface Judgement extends Permission {
  /** `doubtful`: a dry run on nothing was refused, and nobody says whether for the missing mark. */
  verdict: Signal['verdict'] | 'doubtful'
  /** How we know, or why we do not. */
  how: string
}

/**
 * Merges all signals of each right. What was really tried wins over what IAM says of itself. A dry run on nothing may have
 * been refused because nothing bears no mark: it is believed unless IAM says that exactly the mark decides, and in doubt
 * when IAM says nothing.
 */
export function judge(
  permissions: readonly Permission[],
  signals: readonly Signal[],
  simulation: Simulation,
): Judgement[] {
  return permissions.map((permission) => {
    const own = signals.filter(({ action, verdict }) => action === permission.action && verdict !== 'unknown')
    const denied = own.find(({ verdict, by }) => verdict === 'denied' && by !== 'dry run on nothing')
    if (denied)
      return { ...permission, verdict: 'denied', how: `refused by a ${denied.by} in ${denied.region}` }
    const granted = own.find(({ verdict }) => verdict === 'granted')
    if (granted) return { ...permission, verdict: 'granted', how: granted.by }
    const refused = own.find(({ verdict }) => verdict === 'denied')
    const says = simulation.marked.get(permission.action)
    const isConditional = says === true && simulation.unmarked.get(permission.action) === false
    if (refused && permission.ours && says === undefined)
      return { ...permission, verdict: 'doubtful', how: 'refused for something that does not exist' }
    if (refused && !isConditional)
      return { ...permission, verdict: 'denied', how: `refused by a dry run in ${refused.region}` }
    if (says !== undefined)
      return {
        ...permission,
        verdict: says ? 'granted' : 'denied',
        how: says ? 'simulation' : 'no policy allows it',
      }
    return { ...permission, verdict: 'unknown', how: simulation.failure ?? 'it cannot be tried' }
  })
}
