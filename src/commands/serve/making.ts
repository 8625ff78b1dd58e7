import type { ArchitectureName } from '#arch/index.ts'
import type { Cloud } from '#clouds/types.ts'
import type { ArtifactStore } from '#src/artifact/store.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import type { Listener } from '#src/events.ts'
import type { Journal } from '#src/journal/journal.ts'
import type { RegistryClient } from '#src/registry/types.ts'
import { readInputsToGoOn } from '#src/release/inputs-to-go-on.ts'
import { press } from '#src/release/press.ts'
import type { CheckedOut } from '#src/trigger/sources.ts'
import type { Due, TickEnd } from '#src/trigger/types.ts'
import type { engineParts } from '../engine-parts.ts'
import { secretsOf } from '../secrets.ts'

export interface Making {
  journal: Journal
  clouds: ReadonlyMap<string, Cloud>
  store: ArtifactStore
  registry: RegistryClient
  listener: Listener
  ctx: Context
  engineParts: typeof engineParts
  /** What is built for a tick: the files here, or a commit of the repository that is watched, until it is disposed of. */
  sourcesFor(due: Due): Promise<CheckedOut>
  /** What follows a release: marks in the clouds. */
  afterwards(): Promise<void>
}

/** Makes the release of a tick, or finds that nothing has changed. Throws what kept it from being begun. */
export async function makeRelease(making: Making, due: Due): Promise<TickEnd> {
  const { journal, clouds, store, registry, listener, ctx } = making
  await using sources = await making.sourcesFor(due)
  const { configuration } = sources
  const architectures = due.wish?.architectures as ArchitectureName[] | undefined
  const to = due.wish?.to === undefined ? undefined : [...due.wish.to]
  await store.clearIncoming()
  const inputs = await readInputsToGoOn(configuration, journal.state(), { registry, architectures }, ctx)
  const mask = await secretsOf(configuration, inputs)
  const parts = making.engineParts({
    configuration,
    journal,
    store,
    clouds,
    registry,
    listener,
    signal: ctx.signal,
    mask: mask.text,
    keepBuilders: false,
  })
  const result = await press(parts, inputs, { architectures, to, force: due.wish?.force })
  if ('nothingChanged' in result) {
    const { release, why } = result.nothingChanged
    return { outcome: 'nothing-changed', release, message: why }
  }
  await making.afterwards()
  const { release, outcome, state } = result
  switch (outcome) {
    case 'done':
      return { outcome: 'released', release }
    case 'interrupted':
      throw new FactoryError({
        code: 'interrupted',
        message: `${release} was interrupted`,
        class: 'interrupted',
      })
    default: {
      const failed = state.steps.filter((step) => step.state === 'failed')
      const words = failed.map(({ arch, step, error }) => `${arch} ${step}: ${error?.message ?? 'failed'}`)
      return { outcome: 'failed', release, message: `${outcome}: ${words.join('; ')}`.slice(0, 2000) }
    }
  }
}
