import type { Configuration } from '#src/config/types.ts'
import { FactoryError } from '#src/errors.ts'
import { sourcesDigest } from '#src/release/inputs.ts'
import type { GitSource } from './git-source.ts'
import { pollEvery } from './polling.ts'
import { checkedOut } from './sources.ts'
import { freshTick, ruleState } from './ticks.ts'
import type { Rule } from './types.ts'

const shownPaths = 3

/**
 * Watches a git reference. A commit is a tick; where nothing that the build uses differs from what was seen last, the tick
 * is over at once, with that to show for it. Compared is the content, so that it does not matter how a commit came about.
 */
export function containerfileRule(configuration: Configuration, source: GitSource): Rule {
  const polling = pollEvery(configuration.rebuild.everyMs)
  const used = `${source.name}: what is built`
  return {
    name: 'containerfile',
    meaning: `when what is built changes in ${source.name}`,
    overlap: 'wait',
    nextAt: (_state, now) => polling.nextAt(now),
    async look(state, now, signal) {
      polling.succeeded(now)
      const rule = ruleState(state, 'containerfile')
      const before = rule.seen.get(source.name)
      if ((await source.tip(signal)) === before) return {}
      const commit = await source.fetch(signal)
      if (commit === before) return {}
      const digest = await digestOf(commit, configuration, source, signal)
      const seen = [
        { source: source.name, value: commit },
        { source: used, value: digest },
      ]
      if (before === undefined) return { seen }
      const same = digest !== unusable && digest === rule.seen.get(used)
      const paths = shown(await source.changes(before, commit, signal))
      const moved = `${source.name} moved from ${short(before)} to ${short(commit)}${paths}`
      const due = {
        rule: 'containerfile',
        tick: freshTick(rule, `${short(before)}..${short(commit)}`),
        seen,
      } as const
      if (same) return { due: { ...due, why: moved, nothingChanged: 'nothing that is built differs' } }
      return { due: { ...due, why: moved } }
    },
  }
}

/** Stands for sources that cannot be built from: the release will say why not. */
const unusable = 'cannot be built'

async function digestOf(
  commit: string,
  configuration: Configuration,
  source: GitSource,
  signal: AbortSignal,
): Promise<string> {
  try {
    await using sources = await checkedOut(configuration, source, commit, signal)
    return await sourcesDigest(sources.configuration)
  } catch (error) {
    if (error instanceof FactoryError && error.class === 'user') return unusable
    throw error
  }
}

/** Names come from the repository: nothing in them may move a cursor. */
function shown(paths: readonly string[] | undefined): string {
  if (paths === undefined || paths.length === 0) return ''
  const named = paths
    .slice(0, shownPaths)
    .map((path) => path.replaceAll(/[\p{Cc}\p{Cf}]/gu, '?').slice(0, 100))
  const more = paths.length - named.length
  return `: ${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

function short(commit: string): string {
  return commit.slice(0, 12)
}
