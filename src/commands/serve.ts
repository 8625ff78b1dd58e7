import { loadConfiguration } from '#src/config/load.ts'
import type { Configuration } from '#src/config/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import type { Listener } from '#src/events.ts'
import { type Engine, enterEngine } from '#src/journal/engine.ts'
import { readJournal } from '#src/journal/journal.ts'
import { createNotifier } from '#src/notify/notifier.ts'
import { registryClient } from '#src/registry/client.ts'
import { sleep } from '#src/sleep.ts'
import { openGitSource } from '#src/trigger/git-source.ts'
import { runRules } from '#src/trigger/loop.ts'
import { configuredRules } from '#src/trigger/rules.ts'
import { linesScreen } from '#src/ui/lines.ts'
import { eventHistory } from '#src/web/history.ts'
import { type Listening, listen } from '#src/web/listen.ts'
import { commandContext, openClouds } from './clouds.ts'
import { tellFailure } from './error-text.ts'
import { type Found, findAll } from './findings.ts'
import { otherFactory } from './other-factory.ts'
import { servedInputs } from './serve/inputs.ts'
import { servingOf } from './serve/serving.ts'
import { untilTold } from './serve/stopping.ts'
import { tellOf } from './serve/telling.ts'
import { lookAfter } from './serve/upkeep.ts'
import { openWorkshop } from './serve/workshop.ts'

/**
 * Runs releases by rule and shows them, until it is told to stop: then builders go on by themselves, and the next start
 * goes on with their release. Ends the process.
 */
export async function serveCommand(options: { config: string | undefined }): Promise<never> {
  const configuration = await loadConfiguration(options.config, process.cwd(), process.env, {
    fromGit: true,
  })
  const entered = enterEngine(configuration.stateDirectory)
  if (!('engine' in entered)) throw taken(configuration.stateDirectory)
  const { engine } = entered
  using stopping = untilTold()
  const surroundings = { engine, config: options.config, stop: stopping.signal }
  const exitCode = await serve(configuration, surroundings).then(() => 0, tellFailure)
  // What is under way is cut off as by a kill, and gone on with by the next start. Also after a failure: a release that
  // finds its journal closed gives up its machines.
  engine[Symbol.dispose]()
  process.exit(exitCode)
}

/** For messages that are on their way when we are told to stop. */
const lastWordsMs = 3_000

interface Surroundings {
  engine: Engine
  config: string | undefined
  stop: AbortSignal
}

async function serve(configuration: Configuration, { engine, config, stop }: Surroundings): Promise<void> {
  const { journal } = engine
  const { stateDirectory, owner } = configuration
  const screen = linesScreen(process.stderr)
  const events = eventHistory()
  const listener: Listener = (event) => {
    screen.listen(event)
    events.tell(event)
  }
  const log = (line: string) => process.stderr.write(`${new Date().toISOString().slice(0, 19)}Z ${line}\n`)
  if (engine.warning !== undefined) listener({ type: 'warning', at: Date.now(), message: engine.warning })
  const clouds = await openClouds(configuration)
  const registry = registryClient({ authFile: configuration.image.authFile })
  // A release is never stopped from here: it is left as it is, and the next start goes on with it.
  const ctx: Context = { ...commandContext(), log }
  const stoppable: Context = { ...commandContext(stop), log }
  const { git } = configuration.rebuild
  const source = git && openGitSource(git, stateDirectory)
  const rules = configuredRules(configuration, source, { registry, now: Date.now, sleep, log })
  const workshop = openWorkshop({ configuration, journal, clouds, registry, listener, ctx, source })
  await workshop.follow()
  const { makeRelease, collectGarbage, follow } = workshop
  const { pauseAfter } = configuration.rebuild
  const loop = { rules, journal, makeRelease, pauseAfter, now: Date.now, sleep, signal: stop, log }
  const running = runRules(loop)
  let findings: { at: number; found: readonly Found[] } | undefined
  const serving = servingOf({
    configuration,
    journal,
    clouds,
    events,
    rules,
    running,
    collectGarbage,
    findings: () => findings,
    ready: () => (stop.aborted ? 'it is about to stop' : true),
    follow,
  })
  await using listening = await listen(serving)
  tellWhere(listening)
  // Not bound to being told to stop: what is on its way then still goes out.
  const silence = new AbortController()
  const told = { ...commandContext(silence.signal), log, pageUrl: listening.url, name: owner }
  const notifier = createNotifier(configuration.notify, told)
  const inputs = { configuration, config, registry, source }
  const upkeep = lookAfter({
    clouds,
    owner,
    ctx: stoppable,
    assertCurrent: journal.assertCurrent,
    notifier,
    listener,
    busy: workshop.busy,
    repair: workshop.repair,
    doctor: async () => await findAll(configuration, () => servedInputs(inputs, stoppable), stoppable),
    found: (found) => (findings = { at: Date.now(), found }),
  })
  const telling = tellOf(journal, { stateDirectory, notifier, signal: stop }, stoppable.sleep)
  await untilStopped(stop, [running.ended, upkeep, telling])
  await Promise.race([notifier.settled(), sleep(lastWordsMs, silence.signal)])
  silence.abort()
  tellLeft(engine, log)
}

/** What ends by itself before that has failed, and its failure is ours. */
async function untilStopped(stop: AbortSignal, running: readonly Promise<void>[]): Promise<void> {
  const { promise: stopped, resolve } = Promise.withResolvers<void>()
  if (stop.aborted) resolve()
  stop.addEventListener('abort', () => resolve(), { once: true })
  const failures = running.map(async (one) => {
    await one.catch((error: unknown) => (stop.aborted ? undefined : Promise.reject(error as Error)))
    await stopped
  })
  await Promise.race([stopped, Promise.all(failures)])
}

/** The token is shown this once: only its hash is kept. */
function tellWhere({ url, token }: Listening): void {
  process.stderr.write(`Serving on ${url}\n`)
  if (token === undefined) return
  process.stderr.write(`The token, to log in with; it is shown only now: ${token}\n`)
}

/** What goes on without us, and until when. */
function tellLeft({ journal }: Engine, log: (line: string) => void): void {
  const { releases, leases } = journal.state()
  const open = releases.findLast(({ outcome }) => outcome === undefined)
  if (open) log(`stopped; ${open.release} goes on with the next start`)
  else log('stopped')
  for (const { lease, cloud, released, expires } of leases) {
    if (!released)
      log(`still rented from ${cloud}: ${lease.id} for ${lease.arch}, until ${expires} at the latest`)
  }
}

function taken(stateDirectory: string): FactoryError {
  using journal = readJournal(stateDirectory)
  const { pid } = otherFactory(stateDirectory, journal.state())
  return new FactoryError({
    code: 'factory-busy',
    message: `another factory command is at work on this configuration${pid === undefined ? '' : ` (process ${pid})`}`,
    hint: 'Wait until it has ended, or end it. What it does is shown by: factory status',
    class: 'user',
  })
}
