import { expect, test } from 'vitest'
import { cronRule } from '#src/trigger/cron.ts'
import { memoryJournal } from './memory-journal.ts'

const { signal } = new AbortController()

/** A schedule that has been seen for the first time at `beginning`. */
async function begun(expression: string, beginning: string, timezone = 'Europe/Prague') {
  const journal = memoryJournal(() => 0)
  const rule = cronRule(expression, timezone)
  /** What is due, and written down as done. */
  const at = async (time: string, through = rule): Promise<string | undefined> => {
    const { due, seen = [] } = await through.look(journal.state(), Date.parse(time), signal)
    for (const one of seen) journal.append({ type: 'source-seen', rule: 'cron', ...one })
    if (due) {
      journal.append({ type: 'tick-taken', rule: 'cron', tick: due.tick, why: due.why })
      journal.append({ type: 'tick-done', rule: 'cron', tick: due.tick, outcome: 'skipped' })
    }
    return due?.tick
  }
  expect(await at(beginning)).toBeUndefined()
  return { journal, rule, at }
}

test('is not due for what was before it was seen first, nor after a restart for what was taken', async () => {
  const { journal, rule, at } = await begun('0 4 * * 1', '2026-11-26T12:00:00Z')
  expect(rule.nextAt(journal.state(), 0)).toBe(Date.parse('2026-11-30T03:00:00Z'))
  expect(await at('2026-11-30T02:59:59.999Z')).toBeUndefined()
  expect(await at('2026-11-30T03:00:00Z')).toBe('2026-11-30T03:00:00.000Z')
  expect(await at('2026-11-30T03:00:01Z', cronRule('0 4 * * 1', 'Europe/Prague'))).toBeUndefined()
  expect(rule.nextAt(journal.state(), 0)).toBe(Date.parse('2026-12-07T03:00:00Z'))
})

test('says in words what was due, and makes one tick of several that were missed', async () => {
  const { journal, rule, at } = await begun('0 4 * * *', '2026-11-26T12:00:00Z')
  const look = await rule.look(journal.state(), Date.parse('2026-12-01T12:00:00Z'), signal)
  expect(look.due).toEqual({
    rule: 'cron',
    tick: '2026-12-01T03:00:00.000Z',
    why: 'the schedule "0 4 * * *" (Europe/Prague) was due on 2026-12-01 04:00, the last of several times that were missed',
  })
  expect(await at('2026-12-01T12:00:00Z')).toBe('2026-12-01T03:00:00.000Z')
  expect(await at('2026-12-01T12:00:01Z')).toBeUndefined()
})

test('is due once in the hour that the clock leaves out, and once in the hour that it shows twice', async () => {
  const spring = await begun('30 2 * * *', '2026-03-28T12:00:00Z')
  expect(await spring.at('2026-03-29T00:59:00Z')).toBeUndefined()
  expect(await spring.at('2026-03-29T01:00:00Z')).toBe('2026-03-29T01:00:00.000Z')
  expect(await spring.at('2026-03-29T23:00:00Z')).toBeUndefined()
  const several = await begun('30 2,14 * * *', '2026-03-28T14:00:00Z')
  expect(await several.at('2026-03-29T02:00:00Z')).toBe('2026-03-29T01:00:00.000Z')
  const autumn = await begun('30 2 * * *', '2026-10-24T12:00:00Z')
  expect(await autumn.at('2026-10-25T00:30:00Z')).toBe('2026-10-25T00:30:00.000Z')
  expect(await autumn.at('2026-10-25T01:30:00Z')).toBeUndefined()
})

test('is not due again when the clock steps back', async () => {
  const { at } = await begun('0 * * * *', '2026-11-26T12:30:00Z')
  expect(await at('2026-11-26T14:10:00Z')).toBe('2026-11-26T14:00:00.000Z')
  expect(await at('2026-11-26T13:05:00Z')).toBeUndefined()
  expect(await at('2026-11-26T14:05:00Z')).toBeUndefined()
  expect(await at('2026-11-26T15:00:00Z')).toBe('2026-11-26T15:00:00.000Z')
})

test('begins anew when the expression is another one', async () => {
  const { at } = await begun('0 4 * * 1', '2026-11-01T12:00:00Z')
  const daily = cronRule('0 4 * * *', 'Europe/Prague')
  expect(await at('2026-11-26T12:00:00Z', daily)).toBeUndefined()
  expect(await at('2026-11-27T12:00:00Z', daily)).toBe('2026-11-27T03:00:00.000Z')
})
