import type { Configuration } from '#src/config/types.ts'
import type { Context } from '#src/context.ts'
import type { FactoryState } from '#src/journal/replay.ts'
import type { RegistryClient } from '#src/registry/types.ts'
import { type InputFacts, digestOfJson } from './input-facts.ts'
import { type InputOptions, type ReleaseInputs, readInputs } from './inputs.ts'

/**
 * The inputs of a release: those of the newest one when that was cut off and nothing here has changed since, although a
 * tag may point to another digest by now. Running the same command again goes on where it stopped; the digest that moved
 * is the next release's.
 */
export async function readInputsToGoOn(
  configuration: Configuration,
  state: FactoryState,
  options: InputOptions,
  ctx: Context,
): Promise<ReleaseInputs> {
  const newest = state.releases.at(-1)
  const cutOff = newest?.outcome === undefined || newest.outcome === 'interrupted'
  if (newest?.inputs && cutOff) {
    const { forcedAfter: _, ...before } = newest.inputs as InputFacts
    const registry = pinning(options.registry, digestsOf(before))
    // What cannot be read as it was then is read as it is now, with the message that belongs to it.
    const inputs = await readInputs(configuration, { ...options, registry }, ctx).catch(() => undefined)
    if (inputs && digestOfJson(inputs.facts) === digestOfJson(before)) return inputs
  }
  return await readInputs(configuration, options, ctx)
}

function digestsOf({ bases, existing, diskBuilders }: InputFacts): Map<string, string> {
  const images = [...bases, ...Object.values(diskBuilders), ...(existing ? [existing] : [])]
  return new Map(images.map(({ reference, digest }) => [reference, digest]))
}

/** Asks for what a reference was then, by digest. */
function pinning(
  registry: Pick<RegistryClient, 'resolve'>,
  digests: ReadonlyMap<string, string>,
): Pick<RegistryClient, 'resolve'> {
  return {
    async resolve(reference, ctx) {
      const digest = digests.get(reference)
      if (digest === undefined || reference.includes('@')) return await registry.resolve(reference, ctx)
      const repository = reference.replace(/:[^:/]+$/, '')
      return { ...(await registry.resolve(`${repository}@${digest}`, ctx)), reference }
    },
  }
}
