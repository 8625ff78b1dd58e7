import { noticeId } from './notices.ts'
import type { Notice } from './types.ts'

/** What a look for leftovers found; the reaper's own rows are such. */
export interface Leak {
  cloud: string
  /** Absent where the cloud could not be asked, which is no leak. */
  resource?: { kind: string; id: string; region?: string | undefined }
  action: 'removed' | 'would be removed' | 'left' | 'failed'
  why: string
}

const mostListed = 50

/**
 * Tells of things of ours that stood there although their lease was over, all of them in one notice; the same things make
 * the same notice, so looking every hour tells it once.
 */
export function leaksFound(found: readonly Leak[], at: number): Notice[] {
  const leaks = found.filter(({ action, resource }) => action !== 'left' && resource !== undefined)
  if (leaks.length === 0) return []
  const resources = leaks.map(({ cloud, resource, action, why }) => ({ cloud, ...resource, action, why }))
  const names = resources.map(({ cloud, kind, id, action }) => `${cloud} ${kind} ${id} ${action}`).toSorted()
  const clouds = [...new Set(leaks.map(({ cloud }) => cloud))]
  const shown = resources.slice(0, mostListed)
  const lines = shown.map(({ cloud, kind, id, action, why }) => `${cloud}: ${kind} ${id}: ${action}: ${why}`)
  const more = resources.length - shown.length
  const isOver = leaks.every(({ action }) => action === 'removed')
  const things = leaks.length === 1 ? 'One thing was' : `${leaks.length} things were`
  return [
    {
      id: noticeId('leak-found', ...names),
      occasion: 'leak-found',
      at,
      title: `${things} left behind in ${clouds.join(', ')}`,
      text: [...lines, ...(more > 0 ? [`and ${more} more`] : [])].join('\n'),
      ...(isOver ? {} : { hint: 'See all, then remove: factory reap' }),
      facts: { resources: shown, more },
    },
  ]
}
