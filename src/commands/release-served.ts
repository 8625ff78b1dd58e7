import { FactoryError } from '#src/errors.ts'
import type { Listener } from '#src/events.ts'
import { engineAtWork } from '#src/journal/engine.ts'
import { readJournal } from '#src/journal/journal.ts'
import type { Tick } from '#src/journal/rules.ts'
import { viewRelease } from '#src/release/view.ts'
import { sleep } from '#src/sleep.ts'
import { type FactoryAddress, callFactory } from '#src/web/client.ts'
import { summaryTable } from '#src/ui/summary.ts'
import { whoAmI } from './as-engine.ts'
import { whileWatching } from './interruption.ts'
import { type ReleaseCommandOptions, exitCodes, screenFor } from './release-options.ts'
import { summaryRows } from './summary-rows.ts'

const lookEveryMs = 300

/** Asks a factory on another machine, and leaves the watching to its page. Returns the exit code. */
export async function askRemote(url: string, options: ReleaseCommandOptions): Promise<number> {
  const tick = await pressThere(remoteAddress(url), options)
  if (options.output === 'json') process.stdout.write(`${JSON.stringify({ tick })}\n`)
  else process.stderr.write(`Asked for; watch it on ${url}\n`)
  return 0
}

/**
 * Where a factory serves from this state directory, it makes the release, and this process shows it. Returns the exit
 * code; undefined where none serves.
 */
export async function askServing(
  stateDirectory: string,
  options: ReleaseCommandOptions,
): Promise<number | undefined> {
  let tick: string
  try {
    tick = await pressThere({ stateDirectory }, options)
  } catch (error) {
    if (error instanceof FactoryError && error.code === 'factory-not-serving') return undefined
    throw error
  }
  const screen = screenFor(options)
  if (options.keepBuilders) {
    const message = 'factory serve makes the release, and keeps no builders: --keep-builders does nothing'
    screen.listen({ type: 'warning', at: Date.now(), message })
  }
  using watching = whileWatching(() => true)
  try {
    const done = await watchTick(stateDirectory, tick, screen.listen, watching.signal)
    using journal = readJournal(stateDirectory)
    const release = journal.state().releases.findLast((one) => one.release === done.release)
    if (done.outcome === 'nothing-changed') {
      const { release: name = '', message: why = '' } = done
      screen.listen({ type: 'nothing-changed', at: Date.now(), key: release?.key ?? '', release: name, why })
      return 0
    }
    await screen.close()
    if (release && options.output !== 'json') process.stdout.write(summaryTable(summaryRows(release)))
    if (!release && done.message !== undefined) process.stderr.write(`error: ${done.message}\n`)
    return release?.outcome ? exitCodes[release.outcome] : 1
  } finally {
    await screen.close()
  }
}

/** Asks a serving factory for a release; returns the tick that stands for it. */
async function pressThere(
  address: FactoryAddress,
  { arch, to, force }: ReleaseCommandOptions,
): Promise<string> {
  const wish = {
    by: whoAmI(),
    ...(force === undefined ? {} : { force }),
    ...(arch === undefined ? {} : { architectures: arch }),
    ...(to === undefined ? {} : { to }),
  }
  const answer = (await callFactory(address, 'POST', '/api/releases', wish)) as { tick: string }
  return answer.tick
}

/** The address of another machine's factory; its token is in the environment, where no list of processes shows it. */
function remoteAddress(url: string, environment: NodeJS.ProcessEnv = process.env): FactoryAddress {
  const token = environment['FACTORY_TOKEN']
  if (token) return { url, token }
  throw new FactoryError({
    code: 'factory-token-missing',
    message: `${url} wants a token`,
    hint: 'Put the one that factory serve showed at its first start into FACTORY_TOKEN.',
    class: 'user',
  })
}

/**
 * Watches what a factory of this machine makes until the tick is done; releases that were asked for before are shown, too.
 * Rejects with the signal's reason; the tick stays.
 */
async function watchTick(
  stateDirectory: string,
  tick: string,
  listener: Listener,
  signal: AbortSignal,
): Promise<Tick> {
  using journal = readJournal(stateDirectory)
  const over = new AbortController()
  const looking = AbortSignal.any([signal, over.signal])
  const view = async () => {
    while (!looking.aborted) {
      await viewRelease(stateDirectory, listener, looking)
      await sleep(lookEveryMs, looking)
    }
  }
  const viewing = view().catch(() => undefined)
  let isTold = false
  try {
    for (;;) {
      const found = journal
        .state()
        .rules.get('hand')
        ?.ticks.find((one) => one.tick === tick)
      if (found?.outcome !== undefined) return found
      if (!isTold && !engineAtWork(stateDirectory)) {
        isTold = true
        const message = 'factory serve has ended, and makes the release when it is started again'
        listener({ type: 'warning', at: Date.now(), message, hint: 'Ctrl-C ends only the watching.' })
      }
      await sleep(lookEveryMs, signal)
    }
  } finally {
    over.abort()
    await viewing
  }
}
