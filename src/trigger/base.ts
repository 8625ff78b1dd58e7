import type { Configuration } from '#src/config/types.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import { parseReference } from '#src/registry/reference.ts'
import type { RegistryWatcher } from '#src/registry/types.ts'
import { neededImages } from '#src/release/containerfile.ts'
import { shortDigest } from '#src/release/reasons.ts'
import { type Polling, pollEvery } from './polling.ts'
import { freshTick, ruleState } from './ticks.ts'
import type { Rule, Seen } from './types.ts'

export interface BaseOptions {
  everyMs: number
  /** The images that releases are made of now, as they are written. */
  references(signal: AbortSignal): Promise<readonly string[]>
  registry: RegistryWatcher
  now(): number
  sleep(ms: number, signal: AbortSignal): Promise<void>
  log(line: string): void
}

/**
 * Watches the tags behind FROM and of the disk builder: one that stands for another digest than it did is due. A registry
 * that does not answer is left alone, longer each time and at least as long as it asked for, and the others go on.
 */
export function baseRule(options: BaseOptions): Rule {
  const { registry, everyMs, now, log } = options
  const polling = pollEvery(everyMs)
  const hosts = new Map<string, Polling>()

  async function digestsAt(host: string, references: readonly string[], ctx: Context) {
    const known = hosts.get(host) ?? pollEvery(everyMs)
    hosts.set(host, known)
    if (known.nextAt(now()) > now()) return { found: [] }
    const found: Seen[] = []
    try {
      for (const source of references) found.push({ source, value: await registry.digest(source, ctx) })
    } catch (error) {
      ctx.signal.throwIfAborted()
      const { message, context } = asFactoryError(error)
      const asked = context['retryAfterMs']
      known.failed(now(), typeof asked === 'number' ? asked : 0)
      return { found, trouble: message }
    }
    hosts.delete(host)
    return { found }
  }

  return {
    name: 'base',
    meaning: 'when a tag behind FROM or of the disk builder moves',
    overlap: 'wait',
    nextAt: (_state, time) => polling.nextAt(time),
    async look(state, time, signal) {
      polling.succeeded(time)
      const byHost = Map.groupBy(movable(await options.references(signal)), ({ host }) => host)
      const sleep = (ms: number) => options.sleep(ms, signal)
      const ctx: Context = { signal, now, sleep, log, emit: () => undefined }
      const answers = await Promise.all(
        [...byHost].map(([host, there]) =>
          digestsAt(
            host,
            there.map(({ reference }) => reference),
            ctx,
          ),
        ),
      )
      const rule = ruleState(state, 'base')
      const found = answers.flatMap((answer) => answer.found)
      const first = found.filter(({ source }) => !rule.seen.has(source))
      const moved = found.filter(
        ({ source, value }) => rule.seen.has(source) && rule.seen.get(source) !== value,
      )
      const troubles = answers.flatMap(({ trouble }) => trouble ?? [])
      const look = { seen: first, ...(troubles.length === 0 ? {} : { trouble: troubles.join('; ') }) }
      if (moved.length === 0) return look
      const tick = moved.map(({ source, value }) => `${source}@${value}`).join(' ')
      const why = moved.map(
        ({ source, value }) =>
          `${source} moved from ${shortDigest(rule.seen.get(source) ?? '')} to ${shortDigest(value)}`,
      )
      return { ...look, due: { rule: 'base', tick: freshTick(rule, tick), why: why.join('; '), seen: moved } }
    },
  }
}

/** Every image that a release pins: behind FROM, of the disk builder, or the finished one. */
export function watchedReferences(configuration: Configuration, containerfile: string | undefined): string[] {
  const { image, disk, architectures } = configuration
  const { source } = image
  const builders = Object.values(disk.builders)
  if (source.kind === 'ref') return [...new Set([source.ref, ...builders])]
  const { buildArgs } = source
  const needed = neededImages(containerfile ?? '', { file: source.containerfile, buildArgs, architectures })
  return [...new Set([...needed.map(({ reference }) => reference), ...builders])]
}

/** A digest stays what it is. */
function movable(references: readonly string[]): { host: string; reference: string }[] {
  return references.flatMap((reference) => {
    const parsed = parseReference(reference)
    return 'problem' in parsed || parsed.digest !== undefined ? [] : [{ host: parsed.registry, reference }]
  })
}
