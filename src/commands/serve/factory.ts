import type { Cloud } from '#clouds/types.ts'
import type { Configuration } from '#src/config/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import type { Listener } from '#src/events.ts'
import type { Engine } from '#src/journal/engine.ts'
import { createNotifier } from '#src/notify/notifier.ts'
import { registryClient } from '#src/registry/client.ts'
import { sleep } from '#src/sleep.ts'
import { openGitSource } from '#src/trigger/git-source.ts'
import { runRules } from '#src/trigger/loop.ts'
import { configuredRules } from '#src/trigger/rules.ts'
import { linesScreen } from '#src/ui/lines.ts'
import type { Output } from '#src/ui/listener.ts'
import { eventHistory } from '#src/web/history.ts'
import { type Listening, listen } from '#src/web/listen.ts'
import { commandContext, openClouds } from '../clouds.ts'
import { engineParts } from '../engine-parts.ts'
import { type Found, findAll } from '../findings.ts'
import { servedInputs } from './inputs.ts'
import { servingOf } from './serving.ts'
import { untilStopped } from './stopping.ts'
import { tellOf } from './telling.ts'
import { lookAfter } from './upkeep.ts'
import { openWorkshop } from './workshop.ts'

/** For messages that are on their way when we are told to stop. */
const lastWordsMs = 3_000

/** What a served factory works with; the benchmark hands in a scripted cloud. */
export interface ServedParts {
  openClouds(configuration: Configuration): Promise<ReadonlyMap<string, Cloud>>
  engineParts: typeof engineParts
}

export interface Surroundings {
  engine: Engine
  /** The file of the configuration. */
  config: string | undefined
  stop: AbortSignal
  /** For people: what goes on, in whole lines. */
  output: Output
  parts?: ServedParts | undefined
}

const realParts: ServedParts = { openClouds, engineParts }

/**
 * Serves one image until `stop`: makes its releases by rule and by hand, looks after what is rented and published, shows
 * it all. Throws what kept it from that, and is the engine no longer; what is under way then is left to the next start.
 */
export async function serveFactory(configuration: Configuration, surroundings: Surroundings): Promise<void> {
  const failed = new AbortController()
  try {
    await untilFailure(configuration, surroundings, failed.signal)
  } catch (error) {
    // The process may go on with other images: nothing of this one may, and its machines are the next start's. Whatever
    // stops now has nowhere to write that down any more.
    surroundings.engine[Symbol.dispose]()
    failed.abort(noLongerServed(configuration, error))
    throw error
  }
}

async function untilFailure(
  configuration: Configuration,
  { engine, config, stop, output, parts = realParts }: Surroundings,
  failed: AbortSignal,
): Promise<void> {
  const over = AbortSignal.any([stop, failed])
  const { journal } = engine
  const { stateDirectory, owner } = configuration
  const screen = linesScreen(output)
  const events = eventHistory()
  const listener: Listener = (event) => {
    screen.listen(event)
    events.tell(event)
  }
  const log = (line: string) => void output.write(`${new Date().toISOString().slice(0, 19)}Z ${line}\n`)
  if (engine.warning !== undefined) listener({ type: 'warning', at: Date.now(), message: engine.warning })
  const clouds = await parts.openClouds(configuration)
  const registry = registryClient({ authFile: configuration.image.authFile })
  // A release is never stopped from here: it is left as it is, and the next start goes on with it.
  const ctx: Context = { ...commandContext(failed), log }
  const stoppable: Context = { ...commandContext(over), log }
  const { git } = configuration.rebuild
  const source = git && openGitSource(git, stateDirectory)
  const rules = configuredRules(configuration, source, { registry, now: Date.now, sleep, log })
  const workshop = openWorkshop({
    configuration,
    journal,
    clouds,
    registry,
    listener,
    ctx,
    source,
    engineParts: parts.engineParts,
  })
  await workshop.follow()
  const { makeRelease, collectGarbage, follow } = workshop
  const { pauseAfter } = configuration.rebuild
  const loop = { rules, journal, makeRelease, pauseAfter, now: Date.now, sleep, signal: over, log }
  const running = runRules(loop)
  // Until somebody waits for it below, or where nobody comes to that.
  running.ended.catch(() => undefined)
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
  tellWhere(listening, output)
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
  const telling = tellOf(journal, { stateDirectory, notifier, signal: over }, stoppable.sleep)
  await untilStopped(stop, [running.ended, upkeep, telling])
  await Promise.race([notifier.settled(), sleep(lastWordsMs, silence.signal)])
  silence.abort()
  tellLeft(engine, log)
}

/** To what is under way it is as if another engine had taken over: it changes nothing more, and gives nothing back. */
function noLongerServed({ image }: Configuration, cause: unknown): FactoryError {
  return new FactoryError({
    code: 'fenced',
    message: `${image.name} is no longer served by this process`,
    hint: 'Start factory serve for it again: it goes on with what is under way.',
    class: 'interrupted',
    cause,
  })
}

/** The token is shown this once: only its hash is kept. */
function tellWhere({ url, token }: Listening, output: Output): void {
  output.write(`Serving on ${url} (process ${process.pid})\n`)
  if (token === undefined) return
  output.write(`The token, to log in with; it is shown only now: ${token}\n`)
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
