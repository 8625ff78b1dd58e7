import type { JournalRecord } from '#src/journal/records.ts'
import { inactivityRule } from '#src/trigger/inactivity.ts'
import { runRules } from '#src/trigger/loop.ts'
import { freshTick, ruleState } from '#src/trigger/ticks.ts'
import type { Due, Rule, TickEnd } from '#src/trigger/types.ts'
import { type MemoryJournal, memoryJournal } from './memory-journal.ts'
import { summerBegins, summerEnds } from './prague.ts'
import { type VirtualClock, virtualClock } from './virtual-clock.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const start = '2026-01-02T00:00:00+01:00'
const longestSleepMs = 2 * hourMs

export interface YearOptions {
  /** A new one for every process: what a rule keeps in memory dies with it. */
  rule(): Rule
  /** When it should be due, in order. */
  times: readonly number[]
  random(): number
}

export interface Year {
  journal: MemoryJournal
  /** What should not have been, in words. */
  faults: string[]
  kills: number
  sourcesChanged: number
  sourcesReleased: number
}

/** A process of the factory; killed, it does nothing any more. */
interface Process {
  alive: boolean
  readonly stop: AbortController
}

/** What happens to the process and its clock, by the time that really passed. */
interface Happening {
  at: number
  what: 'outage' | 'step' | 'kill' | 'change'
  ms: number
}

/** A year with one schedule, an inactivity rule and a watched source, in which much happens to the process. */
export async function simulateYear({ rule, times, random }: YearOptions): Promise<Year> {
  const clock = virtualClock(start)
  const journal = memoryJournal(clock.now)
  const year: Year = { journal, faults: [], kills: 0, sourcesChanged: 0, sourcesReleased: 0 }
  const between = (least: number, most: number) => least * (most / least) ** random()
  const world: World = {
    clock,
    journal,
    year,
    between,
    random,
    killAt: undefined,
    underWay: undefined,
    made: new Set(),
  }
  const watch = missedTicks(world, times)
  let process = begin(world, rule)
  let up = true
  let downUntil = 0
  for (const { at, what, ms } of happenings(random, between)) {
    while (clock.elapsed() < at) {
      await clock.pass(Math.min(at - clock.elapsed(), hourMs), () => up && process.alive && watch.look())
      if (!process.alive) up = false
      if (!up && clock.elapsed() >= downUntil) {
        process = begin(world, rule)
        up = true
      }
    }
    if (what === 'step') {
      clock.step(ms)
      watch.stepped()
    } else if (what === 'change') year.sourcesChanged += 1
    else if (what === 'kill') world.killAt = random() < 0.5 ? 'taken' : 'made'
    else {
      kill(process, world)
      up = false
      downUntil = at + ms
    }
  }
  delete world.killAt
  if (!process.alive) process = begin(world, rule)
  await clock.pass(2 * dayMs)
  while (world.underWay !== undefined) await clock.pass(minuteMs)
  process.stop.abort(new Error('the year is over'))
  await clock.pass(dayMs)
  return year
}

interface World {
  clock: VirtualClock
  journal: MemoryJournal
  year: Year
  random(): number
  between(least: number, most: number): number
  /** The process dies when it gets there next. */
  killAt?: 'taken' | 'made' | undefined
  underWay: string | undefined
  readonly made: Set<unknown>
}

function begin(world: World, rule: () => Rule): Process {
  const { clock, journal, year } = world
  const process: Process = { alive: true, stop: new AbortController() }
  const written = (record: JournalRecord) => {
    if (!process.alive) throw new Error('killed')
    journal.append(record)
    if (record.type === 'tick-taken' && world.killAt === 'taken') {
      kill(process, world)
      throw new Error('killed')
    }
  }
  const { ended } = runRules({
    rules: [rule(), inactivityRule(3 * dayMs), watchedSource(year, clock)],
    journal: {
      state: journal.state,
      append: written,
      // All or none: the kill comes after them.
      appendAll(records) {
        const single = records.length === 1 ? records[0] : undefined
        if (single) return written(single)
        if (!process.alive) throw new Error('killed')
        journal.appendAll(records)
      },
    },
    makeRelease: (due) => makeRelease(due, process, world),
    pauseAfter: 1_000_000,
    now: clock.now,
    sleep: (ms, signal) => (process.alive ? clock.sleep(ms, signal, process) : never()),
    signal: process.stop.signal,
    log: () => undefined,
    longestSleepMs,
  })
  ended.catch((error: unknown) => {
    if (process.alive) year.faults.push(`it broke down: ${String(error)}`)
  })
  return process
}

function kill(process: Process, world: World): void {
  if (!process.alive) return
  process.alive = false
  world.clock.kill(process)
  delete world.killAt
  world.underWay = undefined
  world.year.kills += 1
}

/** As the engine: the same thing a second time is nothing new. */
async function makeRelease(due: Due, process: Process, world: World): Promise<TickEnd> {
  const { clock, journal, year, made } = world
  if (!process.alive) return await never()
  const name = `${due.rule} ${due.tick}`
  if (world.underWay !== undefined) year.faults.push(`${name} overlaps ${world.underWay}`)
  const known = ruleState(journal.state(), due.rule).ticks.find(({ tick }) => tick === due.tick)
  if (known === undefined || known.outcome !== undefined)
    year.faults.push(`${name} is not a taken, open tick`)
  world.underWay = name
  if (!made.has(name)) {
    await clock.sleep(world.between(minuteMs, 5 * hourMs), process.stop.signal, process)
    made.add(name)
    const release = `r${made.size}`
    if (world.random() < 0.1) {
      world.underWay = undefined
      throw new Error('the release failed')
    }
    const inputs = { key: release, owner: 'lab', imageName: 'lab', inputs: {}, builds: [], destinations: [] }
    journal.append({ type: 'release-opened', release, ...inputs })
    journal.append({ type: 'channel-moved', channel: 'candidate', release })
    if (world.killAt === 'made') {
      kill(process, world)
      return await never()
    }
    world.underWay = undefined
    return { outcome: 'released', release }
  }
  world.underWay = undefined
  return { outcome: 'nothing-changed' }
}

/** A source whose value is how often it changed. */
function watchedSource(year: Year, clock: VirtualClock): Rule {
  let askedAt: number | undefined
  return {
    name: 'containerfile',
    meaning: 'when it changed',
    overlap: 'wait',
    nextAt: (_state, now) => (askedAt === undefined || askedAt > now ? now : askedAt + 3 * hourMs),
    async look(state) {
      askedAt = clock.now()
      const rule = ruleState(state, 'containerfile')
      const seen = Number(rule.seen.get('source') ?? '0')
      year.sourcesReleased = seen
      if (seen === year.sourcesChanged) return {}
      const value = String(year.sourcesChanged)
      const tick = freshTick(rule, `${seen}..${value}`)
      return { due: { rule: 'containerfile', tick, why: 'it changed', seen: [{ source: 'source', value }] } }
    },
  }
}

/** Whether what is due is taken at once: only after the clock was set it may take until it is looked at again. */
function missedTicks({ clock, journal, year }: World, times: readonly number[]) {
  let lateSince: number | undefined
  let steppedAt = Number.NEGATIVE_INFINITY
  return {
    stepped: () => void (steppedAt = clock.elapsed()),
    look() {
      const rule = ruleState(journal.state(), 'cron')
      const beginning = Date.parse([...rule.seen.values()][0] ?? '')
      const taken = Math.max(beginning, ...rule.ticks.map(({ tick }) => Date.parse(tick)))
      const due = newestUntil(times, clock.now())
      if (due === undefined || due <= taken) return void (lateSince = undefined)
      lateSince ??= clock.elapsed()
      const allowed = clock.elapsed() - steppedAt <= longestSleepMs ? longestSleepMs : 2_000
      if (clock.elapsed() - lateSince > allowed) {
        year.faults.push(`${new Date(due).toISOString()} was missed`)
        lateSince = undefined
      }
    },
  }
}

function newestUntil(times: readonly number[], now: number): number | undefined {
  let low = 0
  let high = times.length
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (times[middle]! <= now) low = middle + 1
    else high = middle
  }
  return times[low - 1]
}

function happenings(random: () => number, between: (least: number, most: number) => number): Happening[] {
  const lastMs = 360 * dayMs
  const some = (count: number, what: Happening['what'], ms: () => number): Happening[] =>
    Array.from({ length: count }, () => ({ at: random() * lastMs, what, ms: ms() }))
  const aroundSummer = [summerBegins, summerEnds].flatMap((time): Happening[] => [
    {
      at: time - Date.parse(start) - between(minuteMs, 2 * hourMs),
      what: 'outage',
      ms: between(minuteMs, 4 * hourMs),
    },
    {
      at: time - Date.parse(start) - between(minuteMs, 2 * hourMs),
      what: 'step',
      ms: 10 * minuteMs * (random() - 0.5),
    },
  ])
  return [
    ...aroundSummer,
    ...some(48, 'outage', () => between(minuteMs, 4 * dayMs)),
    ...some(20, 'step', () => (random() < 0.5 ? -1 : 1) * between(1000, 3 * hourMs)),
    ...some(40, 'kill', () => 0),
    ...some(60, 'change', () => 0),
  ].toSorted((a, b) => a.at - b.at)
}

function never(): Promise<never> {
  return new Promise(() => undefined)
}
