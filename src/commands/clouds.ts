import { openCloud } from '#clouds/index.ts'
import type { Cloud } from '#clouds/types.ts'
import type { Configuration } from '#src/config/types.ts'
import type { Context } from '#src/context.ts'
import { sleep } from '#src/sleep.ts'

/** Opens every cloud of the configuration; nothing is asked of any of them yet. */
export async function openClouds(configuration: Configuration): Promise<Map<string, Cloud>> {
  const clouds = new Map<string, Cloud>()
  for (const name of Object.keys(configuration.clouds)) {
    clouds.set(name, await openOneCloud(configuration, name))
  }
  return clouds
}

/** For who goes on although another cloud cannot be opened. */
export async function openOneCloud(
  { clouds, owner, stateDirectory }: Configuration,
  name: string,
): Promise<Cloud> {
  return await openCloud(name, clouds[name]!, { owner, stateDirectory })
}

/** A context for short calls outside a release: silent, stopped by the given signal only. */
export function commandContext(signal: AbortSignal = new AbortController().signal): Context {
  return {
    signal,
    now: Date.now,
    sleep: (ms) => sleep(ms, signal),
    emit: () => undefined,
    log: () => undefined,
  }
}
