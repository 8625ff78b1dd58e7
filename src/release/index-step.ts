import type { ArchitectureName } from '#arch/index.ts'
import { FactoryError, asFactoryError } from '#src/errors.ts'
import { isComplete } from './outcome.ts'
import { type ReleaseScope, releaseContext } from './scope.ts'
import { budgets, withRetries } from './retries.ts'
import { stateOf } from './state.ts'

const indexLimitMs = 10 * 60_000

/**
 * Writes the multi-architecture index of a promotable release, under its own name and as `latest`, which is
 * where booted machines upgrade from; the registry client reads it back and compares. Says whether the release
 * has all that it needs. Nothing to do without `image.push`.
 */
export async function writeIndex(scope: ReleaseScope): Promise<boolean> {
  const repository = scope.configuration.image.push
  if (repository === undefined || scope.configuration.image.source.kind === 'ref') return true
  try {
    const pushed = pushedManifests(scope)
    const signal = AbortSignal.any([scope.signal, AbortSignal.timeout(indexLimitMs)])
    const ctx = releaseContext({ now: scope.now, signal })
    const write = (tag: string) =>
      withRetries('writing the index', budgets.index, ctx, () =>
        scope.registry.writeIndex({ repository, tag, entries: pushed }, ctx),
      )
    const written = await write(scope.release)
    await write('latest')
    scope.journal.append({ type: 'index-written', release: scope.release, ...written })
    const architectures = pushed.map(({ arch }) => arch)
    scope.listener({ type: 'index-written', at: scope.now(), ...written, architectures })
    return true
  } catch (error) {
    if (scope.signal.aborted) throw error
    const { message, hint } = asFactoryError(error)
    const warning = { type: 'warning', at: scope.now(), message: scope.mask(message) } as const
    scope.listener(hint === undefined ? warning : { ...warning, hint: scope.mask(hint) })
    return false
  }
}

/** What the index must hold: one manifest for each architecture that is complete, also of builds that were reused. */
function pushedManifests(scope: ReleaseScope): { arch: ArchitectureName; digest: string }[] {
  const state = stateOf(scope)
  const { collected } = scope.journal.state()
  return state.builds
    .filter(({ arch }) => isComplete(arch, state))
    .map(({ arch, buildKey }) => {
      const digest = collected.get(buildKey)?.pushedDigest
      if (digest !== undefined) return { arch, digest }
      throw new FactoryError({
        code: 'push-missing',
        message: `nobody knows which manifest was pushed for ${arch}, so no index is written`,
        hint: 'Build it again with: factory release --force',
        class: 'bug',
      })
    })
}
