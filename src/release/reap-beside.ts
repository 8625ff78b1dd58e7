import { reap } from './reap.ts'
import { type ReleaseScope, releaseContext } from './scope.ts'

const reapLimitMs = 10 * 60_000

/** What other engines left behind and nobody has prolonged since is removed while the builds run. */
export async function reapBeside(scope: ReleaseScope): Promise<void> {
  const { clouds, configuration, listener, now, signal } = scope
  const ctx = releaseContext({ now, signal: AbortSignal.any([signal, AbortSignal.timeout(reapLimitMs)]) })
  const options = { owner: configuration.owner, dryRun: false, confirmMs: 5_000, goingOn: scope.release }
  const reaped = await reap(clouds, options, ctx)
  for (const { cloud, resource, action, why, error } of reaped) {
    if (action === 'left') continue
    const what = resource ? `${resource.kind} ${resource.id} of ${cloud}` : cloud
    const message = action === 'removed' ? `removed ${what}: ${why}` : `could not clean up ${what}: ${why}`
    const hint = error?.hint
    listener({
      type: 'warning',
      at: now(),
      message: scope.mask(message),
      ...(hint === undefined ? {} : { hint: scope.mask(hint) }),
    })
  }
}
