import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { FactoryError } from '#src/errors.ts'
import { openJournal } from '#src/journal/journal.ts'
import { cronRule } from '#src/trigger/cron.ts'
import { runRules } from '#src/trigger/loop.ts'
import { freshTick, ruleState } from '#src/trigger/ticks.ts'
import type { Due, Rule, RulesOptions, TickEnd } from '#src/trigger/types.ts'
import { memoryJournal } from './memory-journal.ts'
import { virtualClock } from './virtual-clock.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

/** A factory whose releases last an hour, on a clock of its own. */
function factory(rules: Rule[], changes: Partial<RulesOptions> = {}) {
  const clock = virtualClock('2026-11-26T00:00:00Z')
  const journal = memoryJournal(clock.now)
  const stop = new AbortController()
  const lines: string[] = []
  const made: Due[] = []
  const start = (more: Partial<RulesOptions> = {}) => {
    const running = runRules({
      rules,
      journal,
      async makeRelease(due): Promise<TickEnd> {
        made.push(due)
        await clock.sleep(hourMs, stop.signal)
        return { outcome: 'released', release: `r${made.length}` }
      },
      pauseAfter: 3,
      now: clock.now,
      sleep: clock.sleep,
      signal: stop.signal,
      log: (line) => void lines.push(line),
      ...changes,
      ...more,
    })
    running.ended.catch(() => undefined)
    return running
  }
  onTestFinished(() => stop.abort(new Error('the test is over')))
  const ticks = (rule: Parameters<typeof ruleState>[1]) => ruleState(journal.state(), rule).ticks
  return { clock, journal, stop, lines, made, start, ticks }
}

/** A source that is due whenever its value is another one. */
function sourceRule(source: { value: string; looks: number }): Rule {
  let lookedAt: number | undefined
  return {
    name: 'containerfile',
    meaning: 'when it changed',
    overlap: 'wait',
    nextAt: (_state, now) => (lookedAt === undefined ? now : lookedAt + 10 * minuteMs),
    async look(state, now) {
      lookedAt = now
      source.looks += 1
      const rule = ruleState(state, 'containerfile')
      const seen = [{ source: 'it', value: source.value }]
      if (!rule.seen.has('it')) return { seen }
      if (rule.seen.get('it') === source.value) return {}
      return { due: { rule: 'containerfile', tick: freshTick(rule, source.value), why: 'it changed', seen } }
    },
  }
}

test('skips a scheduled tick while a release is under way, and says why', async () => {
  const { clock, start, stop, ticks } = factory([cronRule('*/40 * * * *', 'UTC')])
  start({
    async makeRelease() {
      await clock.sleep(50 * minuteMs, stop.signal)
      return { outcome: 'released' }
    },
  })
  await clock.pass(2.1 * hourMs)
  expect(ticks('cron').map(({ tick, outcome, message }) => [tick.slice(11, 16), outcome, message])).toEqual([
    ['00:40', 'released', undefined],
    ['01:00', 'skipped', 'another release was under way'],
    ['01:40', undefined, undefined],
    ['02:00', 'skipped', 'another release was under way'],
  ])
})

test('loses no change of a source during a release: it is looked at again as soon as that is over', async () => {
  const source = { value: '1', looks: 0 }
  const { clock, start, made, ticks } = factory([sourceRule(source)])
  const running = start()
  await clock.pass(minuteMs)
  source.value = '2'
  running.poke('containerfile')
  await clock.pass(10_000)
  expect(made).toHaveLength(1)
  const { looks } = source
  source.value = '3'
  for (let count = 0; count < 1000; count += 1) running.poke('containerfile')
  await clock.pass(30 * minuteMs)
  expect(source.looks).toBe(looks)
  await clock.pass(31 * minuteMs)
  expect(ticks('containerfile').map(({ tick }) => tick)).toEqual(['2', '3'])
  expect(made.at(-1)?.seen).toEqual([{ source: 'it', value: '3' }])
})

test('takes a change that was seen while a release began as soon as that release is over', async () => {
  const source = { value: '1', looks: 0 }
  const { clock, start, ticks, stop } = factory([])
  const slow: Rule = {
    ...sourceRule(source),
    nextAt: (_state, now) => (source.looks === 0 ? now : now + dayMs),
    async look(state, now, signal) {
      const found = await sourceRule(source).look(state, now, signal)
      await clock.sleep(minuteMs, stop.signal)
      return found
    },
  }
  const running = start({ rules: [slow] })
  await clock.pass(2 * minuteMs)
  source.value = '2'
  running.poke('containerfile')
  await clock.pass(1000)
  running.press({ by: 'ada' })
  await clock.pass(hourMs - minuteMs)
  expect(ticks('containerfile')).toEqual([])
  await clock.pass(3 * minuteMs)
  expect(ticks('containerfile').map(({ tick }) => tick)).toEqual(['2'])
})

test('asks nobody more often than every five seconds, however often it is poked', async () => {
  const source = { value: '1', looks: 0 }
  const { clock, start } = factory([sourceRule(source)])
  const running = start()
  await clock.pass(1000)
  for (let second = 0; second < 60; second += 1) {
    for (let count = 0; count < 100; count += 1) running.poke('containerfile')
    await clock.pass(1000)
  }
  expect(source.looks).toBeGreaterThan(6)
  expect(source.looks).toBeLessThan(15)
})

test('makes the releases that people ask for one after the other, and one of the same wish twice', async () => {
  const { clock, start, made, ticks } = factory([])
  const running = start()
  const first = running.press({ by: 'ada' })
  const second = running.press({ by: 'ada', force: true })
  expect(running.press({ by: 'bob', force: true })).toEqual(second)
  const third = running.press({ by: 'ada', architectures: ['s390x'] })
  expect(ticks('hand').map(({ tick }) => tick)).toEqual([first.tick, second.tick, third.tick])
  await clock.pass(30 * minuteMs)
  expect(made).toHaveLength(1)
  await clock.pass(3 * hourMs)
  expect(made.map(({ wish }) => wish)).toEqual([
    { by: 'ada' },
    { by: 'ada', force: true },
    { by: 'ada', architectures: ['s390x'] },
  ])
  expect(ticks('hand').map(({ outcome, release }) => [outcome, release])).toEqual([
    ['released', 'r1'],
    ['released', 'r2'],
    ['released', 'r3'],
  ])
})

test('leaves a tick open when it is stopped, and goes on with it at the next start; what was forced is not forced again', async () => {
  const { clock, journal, start, made, ticks } = factory([])
  const first = new AbortController()
  const running = start({
    signal: first.signal,
    async makeRelease(due) {
      made.push(due)
      const facts = { key: 'k', owner: 'lab', imageName: 'lab', inputs: {}, builds: [], destinations: [] }
      journal.append({ type: 'release-opened', release: 'r1', ...facts })
      await clock.sleep(hourMs, first.signal)
      return { outcome: 'released' }
    },
  })
  const { tick } = running.press({ by: 'ada', force: true })
  running.press({ by: 'ada', to: ['aws'] })
  await clock.pass(minuteMs)
  first.abort(new Error('SIGTERM'))
  await turn()
  await running.ended
  expect(ticks('hand').map(({ outcome }) => outcome)).toEqual([undefined, undefined])
  start()
  await clock.pass(3 * hourMs)
  expect(made.map(({ wish }) => wish)).toEqual([
    { by: 'ada', force: true },
    { by: 'ada' },
    { by: 'ada', to: ['aws'] },
  ])
  expect(made[1]?.tick).toBe(tick)
  expect(ticks('hand').map(({ outcome }) => outcome)).toEqual(['released', 'released'])
})

test('pauses a rule whose releases failed three times in a row, says so, and lets it go on when asked', async () => {
  const makeRelease = async (): Promise<TickEnd> => {
    throw new FactoryError({ code: 'unexpected', class: 'infra', message: 'the hypervisor is away' })
  }
  const { clock, journal, start, lines, ticks } = factory([cronRule('0 * * * *', 'UTC')], { makeRelease })
  const running = start()
  await clock.pass(6.5 * hourMs)
  expect(ticks('cron')).toHaveLength(3)
  expect(ruleState(journal.state(), 'cron').paused?.why).toBe(
    'its last 3 releases failed, at last: the hypervisor is away',
  )
  expect(lines.join('\n')).toContain('paused')
  running.resume('cron', 'ada')
  await clock.pass(minuteMs)
  expect(ticks('cron').map(({ tick }) => tick.slice(11, 16))).toEqual(['01:00', '02:00', '03:00', '06:00'])
  expect(ruleState(journal.state(), 'cron')).toMatchObject({ failedInARow: 1 })
  expect(ruleState(journal.state(), 'cron').paused).toBeUndefined()
})

test('keeps the other rules going when one cannot look, and looks again later each time', async () => {
  let looks = 0
  const broken: Rule = {
    name: 'base',
    meaning: 'never',
    overlap: 'wait',
    nextAt: (_state, now) => now,
    async look() {
      looks += 1
      throw new FactoryError({
        code: 'registry-unreachable',
        class: 'infra',
        message: 'the registry is away',
      })
    },
  }
  const { clock, start, ticks } = factory([broken, cronRule('0 4 * * *', 'UTC')])
  const running = start()
  await clock.pass(dayMs)
  expect(ticks('cron')).toHaveLength(1)
  expect(looks).toBeGreaterThan(15)
  expect(looks).toBeLessThan(50)
  expect(running.troubles().get('base')).toMatchObject({
    message: expect.stringContaining('the registry is away') as string,
    since: Date.parse('2026-11-26T00:00:00Z'),
  })
})

test('ends when the journal may not be written any more', async () => {
  const { clock, start, stop } = factory([cronRule('0 * * * *', 'UTC')])
  const fenced = new FactoryError({ code: 'fenced', class: 'interrupted', message: 'engine 2 took over' })
  const refuse = () => {
    throw fenced
  }
  const state = memoryJournal(clock.now).state
  const running = start({ journal: { state, append: refuse, appendAll: refuse } })
  await expect(running.ended).rejects.toBe(fenced)
  expect(stop.signal.aborted).toBe(false)
})

test('ends when another engine goes on with the release, and leaves the tick to it', async () => {
  const fenced = new FactoryError({ code: 'fenced', class: 'interrupted', message: 'engine 2 took over' })
  const { clock, start, ticks } = factory([])
  const running = start({ makeRelease: () => Promise.reject(fenced) })
  running.press({ by: 'ada' })
  await clock.pass(1000)
  await expect(running.ended).rejects.toBe(fenced)
  expect(ticks('hand').map(({ outcome }) => outcome)).toEqual([undefined])
})

test('does the same with the real journal: a tick that was taken and cut off is done after the restart', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'factory-rules-'))
  const never = new Promise<never>(() => undefined)
  {
    using journal = openJournal(directory)
    const { start } = factory([])
    const wish = { by: 'ada', architectures: ['s390x'], to: ['aws'] }
    start({ journal, makeRelease: () => never }).press(wish)
  }
  using journal = openJournal(directory)
  const { start, clock, made } = factory([])
  start({ journal })
  await clock.pass(2 * hourMs)
  expect(made).toMatchObject([{ rule: 'hand', wish: { by: 'ada', architectures: ['s390x'], to: ['aws'] } }])
  expect(ruleState(journal.state(), 'hand').ticks).toMatchObject([{ outcome: 'released', release: 'r1' }])
})
