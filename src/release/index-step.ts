import { asFactoryError } from '#src/errors.ts'
import { type ReleaseScope, releaseContext } from './scope.ts'
import { stateOf } from './state.ts'

/**
 * Writes the multi-architecture index of a promotable release, under its own name and as `latest`, which is
 * where booted machines upgrade from; the registry client reads it back and compares. Says whether the release
 * has all that it needs. Nothing to do without `image.push`.
 */
export async function writeIndex(scope: ReleaseScope): Promise<boolean> {
  const repository = scope.configuration.image.push
  if (repository === undefined) return true
  const { builds, containers } = stateOf(scope)
  const pushed = builds.flatMap(({ arch }) => {
    const digest = containers[arch]?.pushedDigest
    return digest === undefined ? [] : [{ arch, digest }]
  })
  try {
    const ctx = releaseContext(scope)
    const written = await scope.registry.writeIndex({ repository, tag: scope.release, entries: pushed }, ctx)
    await scope.registry.writeIndex({ repository, tag: 'latest', entries: pushed }, ctx)
    scope.journal.append({ type: 'index-written', release: scope.release, ...written })
    const architectures = pushed.map(({ arch }) => arch)
    scope.listener({ type: 'index-written', at: scope.now(), ...written, architectures })
    return true
  } catch (error) {
    const { message, hint } = asFactoryError(error)
    const warning = { type: 'warning', at: scope.now(), message: scope.mask(message) } as const
    scope.listener(hint === undefined ? warning : { ...warning, hint: scope.mask(hint) })
    return false
  }
}
