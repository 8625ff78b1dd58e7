import { expect, test } from 'vitest'
import { cronRule } from '#src/trigger/cron.ts'
import { randomFrom } from '#test/chaos/random.ts'
import { everyTime, onceADay } from './prague.ts'
import { simulateYear } from './year.ts'

const seeds =
  process.env['YEAR_SEED'] === undefined ? [1, Date.now() % 2 ** 32] : [Number(process.env['YEAR_SEED'])]

const schedules: { expression: string; times: number[] }[] = [
  { expression: '30 2 * * *', times: onceADay(2, 30, () => true) },
  { expression: '0 4 * * 1', times: onceADay(4, 0, (weekday) => weekday === 1) },
  {
    expression: '*/30 1-3 * * *',
    times: everyTime(({ hour, minute }) => hour >= 1 && hour <= 3 && minute % 30 === 0),
  },
]

for (const { expression, times } of schedules) {
  for (const seed of seeds) {
    test(`${expression} in Prague, a year with 50 outages, kills and a clock that is set: no tick is missed, doubled or overlaps (YEAR_SEED=${seed})`, async () => {
      const year = await simulateYear({
        rule: () => cronRule(expression, 'Europe/Prague'),
        times,
        random: randomFrom(seed),
      })
      expect(year.faults).toEqual([])
      const ticks = year.journal.records.filter((record) => record.type === 'tick-taken')
      const nominal = ticks.filter(({ rule }) => rule === 'cron').map(({ tick }) => Date.parse(tick))
      expect(nominal).toEqual([...new Set(nominal)].toSorted((a, b) => a - b))
      expect(nominal.filter((time) => !times.includes(time))).toEqual([])
      expect(nominal.length).toBeGreaterThan(times.length * 0.6)
      const done = year.journal.records.filter((record) => record.type === 'tick-done')
      expect(done.map(({ rule, tick }) => `${rule} ${tick}`).toSorted()).toEqual(
        ticks.map(({ rule, tick }) => `${rule} ${tick}`).toSorted(),
      )
      expect(new Set(done.map(({ outcome }) => outcome))).toContain('released')
      if (expression.endsWith('1'))
        expect(ticks.filter(({ rule }) => rule === 'inactivity').length).toBeGreaterThan(20)
      expect(year.kills).toBeGreaterThan(10)
      expect(year.sourcesReleased).toBe(year.sourcesChanged)
    })
  }
}
