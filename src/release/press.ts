import { giveBackLeftovers } from './give-back.ts'
import type { ReleaseInputs } from './inputs.ts'
import { planNow } from './last-release.ts'
import type { Selection } from './destinations.ts'
import { type ReleaseResult, runRelease } from './release.ts'
import type { EngineParts } from './scope.ts'
import { unfinishedRelease } from './unfinished.ts'

/** Nothing was to be done, and why. */
export interface NothingChanged {
  nothingChanged: { release: string; why: string }
}

/**
 * The button: plans against what the journal holds, gives back what an engine before left rented, and makes the release
 * unless it is there already.
 */
export async function press(
  parts: EngineParts,
  inputs: ReleaseInputs,
  selection: Selection & { force?: boolean | undefined },
): Promise<ReleaseResult | NothingChanged> {
  const { configuration, journal, clouds, store, listener, now } = parts
  const state = journal.state()
  const planned = await planNow(configuration, { clouds, store, state }, inputs, selection)
  const resuming = unfinishedRelease(state, planned.key, configuration.require)
  await giveBackLeftovers(parts, resuming?.release)
  if (!planned.nothingChanged) return await runRelease(parts, planned, inputs)
  listener({ type: 'nothing-changed', at: now(), key: planned.key, ...planned.nothingChanged })
  return { nothingChanged: planned.nothingChanged }
}
