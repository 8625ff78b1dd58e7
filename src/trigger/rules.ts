import type { Configuration } from '#src/config/types.ts'
import { readText } from '#src/release/inputs.ts'
import { type BaseOptions, baseRule, watchedReferences } from './base.ts'
import { containerfileRule } from './containerfile.ts'
import { cronRule } from './cron.ts'
import type { GitSource } from './git-source.ts'
import { inactivityRule } from './inactivity.ts'
import { checkedOut } from './sources.ts'
import type { Rule } from './types.ts'

/** The rules that `rebuild:` asks for; `source` is `rebuild.git`, where there is one. */
export function configuredRules(
  configuration: Configuration,
  source: GitSource | undefined,
  parts: Pick<BaseOptions, 'registry' | 'now' | 'sleep' | 'log'>,
): Rule[] {
  const { cron, timezone, inactivityMs, watch, everyMs } = configuration.rebuild
  const rules: Rule[] = []
  if (cron !== undefined) rules.push(cronRule(cron, timezone))
  if (inactivityMs !== undefined) rules.push(inactivityRule(inactivityMs))
  if (watch.includes('containerfile') && source) rules.push(containerfileRule(configuration, source))
  if (watch.includes('base')) {
    const references = referencesNow(configuration, source)
    rules.push(baseRule({ ...parts, everyMs, references }))
  }
  return rules
}

/** Of the files here, or of the newest commit: it is checked out once for as long as it is the newest. */
function referencesNow(configuration: Configuration, source: GitSource | undefined) {
  let known: { commit: string; references: readonly string[] } | undefined
  return async (signal: AbortSignal): Promise<readonly string[]> => {
    if (source === undefined) return await referencesOf(configuration)
    const tip = await source.tip(signal)
    if (known?.commit === tip) return known.references
    const commit = await source.fetch(signal)
    await using sources = await checkedOut(configuration, source, commit, signal)
    known = { commit, references: await referencesOf(sources.configuration) }
    return known.references
  }
}

async function referencesOf(configuration: Configuration): Promise<string[]> {
  const { source } = configuration.image
  if (source.kind === 'ref') return watchedReferences(configuration, undefined)
  return watchedReferences(configuration, await readText(source.containerfile))
}
