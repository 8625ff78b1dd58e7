import { randomUUID } from 'node:crypto'
import { asFactoryError } from '#src/errors.ts'
import type { FactoryState } from '#src/journal/replay.ts'
import { formatDuration } from '#src/units.ts'
import { type Polling, pollEvery } from './polling.ts'
import { openQueue } from './queue.ts'
import { ruleState } from './ticks.ts'
import type { Due, Look, Rule, RulesOptions, RunningRules, Trouble } from './types.ts'

interface Watched {
  readonly rule: Rule
  readonly retry: Polling
  poked: boolean
  /** When the last look began. */
  lookedAt?: number
  trouble?: Trouble
  sleeping?: AbortController
}

const usualLongestSleepMs = 60_000
/** However many say that something has changed, nobody is asked more often than this. */
const pokedGapMs = 5_000
/** A rule that says it is due and then is not must not keep the machine busy. */
const leastGapMs = 1_000
const firstRetryMs = 60_000

/**
 * Runs the rules until `signal` is aborted. Each is looked at when its time has come; what is due is written down before
 * anything is done about it, and afterwards what came of it. A rule that fails never stops the others.
 */
export function runRules(options: RulesOptions): RunningRules {
  const { journal, now, log, longestSleepMs = usualLongestSleepMs } = options
  const stop = new AbortController()
  const watched = options.rules.map((rule): Watched => {
    return { rule, retry: pollEvery(firstRetryMs), poked: false }
  })
  let broken: { error: unknown } | undefined

  function wake(): void {
    for (const { sleeping } of watched) sleeping?.abort()
  }

  function end(reason: unknown): void {
    stop.abort(reason)
    wake()
  }

  function breakDown(error: unknown): void {
    if (!stop.signal.aborted) broken = { error }
    end(error)
  }

  if (options.signal.aborted) end(options.signal.reason)
  options.signal.addEventListener('abort', () => end(options.signal.reason), { once: true })
  const queue = openQueue({ ...options, signal: stop.signal, onIdle: wake, onBroken: breakDown })

  function lookAt({ rule, poked, lookedAt, trouble, retry }: Watched): number | undefined {
    const state = journal.state()
    const time = now()
    if (ruleState(state, rule.name).paused) return undefined
    if (rule.overlap === 'wait' && queue.busy()) return undefined
    // A clock that stepped back says nothing about how long ago that was.
    const before = lookedAt === undefined || lookedAt > time ? Number.NEGATIVE_INFINITY : lookedAt
    if (poked) return before + pokedGapMs
    const at = rule.nextAt(state, time)
    if (at === undefined) return undefined
    return Math.max(at, before + leastGapMs, trouble === undefined ? at : retry.nextAt(time))
  }

  async function follow(one: Watched): Promise<void> {
    while (!stop.signal.aborted) {
      const at = lookAt(one)
      const pauseMs = at === undefined ? longestSleepMs : Math.min(at - now(), longestSleepMs)
      if (pauseMs > 0) await pause(one, pauseMs)
      else await look(one)
    }
  }

  async function pause(one: Watched, ms: number): Promise<void> {
    const sleeping = new AbortController()
    one.sleeping = sleeping
    try {
      await options.sleep(ms, sleeping.signal)
    } catch (error) {
      if (!sleeping.signal.aborted) throw error
    } finally {
      delete one.sleeping
    }
  }

  async function look(one: Watched): Promise<void> {
    const { rule, retry } = one
    one.poked = false
    one.lookedAt = now()
    let found: Look
    try {
      found = await rule.look(journal.state(), one.lookedAt, stop.signal)
      if (found.due) refuseTaken(found.due, journal.state())
    } catch (error) {
      if (stop.signal.aborted) return
      const { message } = asFactoryError(error)
      return tell(one, `${message}; looking again in ${formatDuration(retry.failed(now()))}`)
    }
    retry.succeeded(now())
    tell(one, found.trouble)
    if (!stop.signal.aborted) act(one, found)
  }

  function tell(one: Watched, message: string | undefined): void {
    if (message === undefined) return void delete one.trouble
    one.trouble = { message, since: one.trouble?.since ?? now() }
    log(`${one.rule.name}: ${message}`)
  }

  /** Nothing is awaited in here: between seeing that nothing is under way and taking the tick comes nobody else. */
  function act(one: Watched, { due, seen = [] }: Look): void {
    const { name, overlap } = one.rule
    journal.appendAll(seen.map((it) => ({ type: 'source-seen', rule: name, ...it })))
    if (due === undefined) return
    if (due.nothingChanged !== undefined) {
      queue.note(due, { outcome: 'nothing-changed', message: due.nothingChanged })
    } else if (!queue.busy()) queue.take(due)
    else if (overlap === 'wait') one.poked = true
    else queue.note(due, { outcome: 'skipped', message: 'another release was under way' })
  }

  async function untilStopped(): Promise<void> {
    const stopped = new Promise((resolve) => {
      if (stop.signal.aborted) resolve(undefined)
      stop.signal.addEventListener('abort', resolve, { once: true })
    })
    await Promise.all([stopped, ...watched.map((one) => follow(one).catch(breakDown))])
    await queue.settled()
    if (broken) throw broken.error
  }

  return {
    ended: untilStopped(),
    poke(name) {
      for (const one of watched) {
        if (one.rule.name !== name) continue
        one.poked = true
        one.sleeping?.abort()
      }
    },
    press(wish) {
      stop.signal.throwIfAborted()
      const same = queue.waiting(wish)
      if (same !== undefined) return { tick: same }
      const tick = randomUUID()
      queue.take({ rule: 'hand', tick, why: `${wish.by} asked for it`, wish })
      return { tick }
    },
    resume(name, by) {
      if (ruleState(journal.state(), name).paused === undefined) return
      journal.append({ type: 'rule-resumed', rule: name, by })
      wake()
    },
    troubles: () =>
      new Map(watched.flatMap(({ rule, trouble }) => (trouble ? [[rule.name, trouble] as const] : []))),
  }
}

/** The journal would take it for the tick that it knows, and the rule would be due for ever. */
function refuseTaken({ rule, tick }: Due, state: FactoryState): void {
  if (ruleState(state, rule).ticks.some((known) => known.tick === tick)) {
    throw new Error(`the rule ${rule} is due for ${tick} again, which was taken already`)
  }
}
