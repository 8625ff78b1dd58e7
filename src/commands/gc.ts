import { openStore } from '#src/artifact/store.ts'
import { loadConfiguration } from '#src/config/load.ts'
import { FactoryError } from '#src/errors.ts'
import type { Journal } from '#src/journal/journal.ts'
import { readJournal } from '#src/journal/journal.ts'
import { type Collected, collectGarbage } from '#src/release/collect-garbage.ts'
import { table } from '#src/ui/table.ts'
import { asEngine } from './as-engine.ts'
import { commandContext, openClouds } from './clouds.ts'
import { failuresText } from './failures.ts'
import { spelled } from './spelling.ts'

const limitMs = 60 * 60_000

/**
 * Removes, or says that it would, images and artifacts that `retention` does not keep. Exit code 1 when something could
 * not be removed.
 */
export async function gcCommand(options: {
  config: string | undefined
  remove: boolean
  limit: number
  json: boolean
}): Promise<number> {
  const configuration = await loadConfiguration(options.config, process.cwd(), process.env, {
    checkFiles: false,
  })
  const { stateDirectory, retention, require } = configuration
  const clouds = await openClouds(configuration)
  const store = openStore(stateDirectory)
  const ctx = commandContext(AbortSignal.timeout(limitMs))
  const wanted = { retention, require, limit: options.limit, dryRun: !options.remove }
  const collect = async (journal: Pick<Journal, 'append' | 'appendAll' | 'state'>) =>
    await collectGarbage({ journal, clouds, store }, wanted, ctx)
  const found = options.remove
    ? await asEngine(stateDirectory, {
        here: async ({ journal }) => await collect(journal),
        there: { path: '/api/gc', body: { limit: options.limit }, answerMs: limitMs },
      })
    : await looking(stateDirectory, collect)
  if (options.json) process.stdout.write(`${JSON.stringify(found, undefined, 2)}\n`)
  else tell(found, options)
  return found.collected.some(({ action }) => action === 'failed') ? 1 : 0
}

async function looking<T>(
  stateDirectory: string,
  collect: (journal: Pick<Journal, 'append' | 'appendAll' | 'state'>) => Promise<T>,
): Promise<T> {
  using journal = readJournal(stateDirectory)
  const append = (): never => {
    throw new FactoryError({ code: 'dry-run-writes', message: 'a dry run was about to write', class: 'bug' })
  }
  return await collect({ state: journal.state, append, appendAll: append })
}

function tell(
  { collected, kept }: { collected: readonly Collected[]; kept: readonly { release: string; why: string }[] },
  { remove, limit }: { remove: boolean; limit: number },
): void {
  const shown = collected.filter(({ action }) => action !== 'failed')
  const rows = shown.map(({ release, arch, where, name, action, why }) => [
    release,
    arch,
    where,
    name,
    action,
    why,
  ])
  if (rows.length > 0) process.stdout.write(table(['RELEASE', 'ARCH', 'WHERE', 'NAME', '', ''], rows))
  for (const { release, why } of kept) process.stderr.write(`Kept: ${release} (${why})\n`)
  if (collected.length === 0) process.stderr.write('Nothing is superfluous.\n')
  if (collected.filter(({ action }) => action !== 'left').length === limit)
    process.stderr.write(`That is the limit of ${limit} a run; the next run goes on, or say --limit N.\n`)
  if (shown.some(({ action }) => action === 'would be removed'))
    process.stderr.write(spelled('Remove it with: factory gc --delete\n'))
  const failures = collected.flatMap(({ error, where, name }) =>
    error ? [{ cloud: `${name} in ${where}`, error }] : [],
  )
  const heading = remove ? 'Could not remove:' : 'Could not find out whether these are in use:'
  if (failures.length > 0) process.stderr.write(`${heading}\n${failuresText(failures)}`)
}
