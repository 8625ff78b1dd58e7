import { FactoryError } from '#src/errors.ts'
import type { Listener } from '#src/events.ts'
import { engineAtWork } from '#src/journal/engine.ts'
import { readJournal } from '#src/journal/journal.ts'
import type { Tick } from '#src/journal/rules.ts'
import { viewRelease } from '#src/release/view.ts'
import { sleep } from '#src/sleep.ts'
import { type FactoryAddress, callFactory } from '#src/web/client.ts'
import { whoAmI } from './as-engine.ts'

export interface Wished {
  arch?: readonly string[]
  to?: readonly string[]
  force?: boolean
}

const lookEveryMs = 300

/** Asks a serving factory for a release; returns the tick that stands for it. */
export async function pressThere(address: FactoryAddress, { arch, to, force }: Wished): Promise<string> {
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
export function remoteAddress(url: string, environment: NodeJS.ProcessEnv = process.env): FactoryAddress {
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
export async function watchTick(
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
