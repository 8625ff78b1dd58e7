import { expect, test } from 'vitest'
import { inactivityRule } from '#src/trigger/inactivity.ts'
import type { TickEnd } from '#src/trigger/types.ts'
import { memoryJournal } from './memory-journal.ts'

const { signal } = new AbortController()
const hourMs = 3_600_000
const dayMs = 24 * hourMs

/** A rule for 14 days, on a clock that `at` sets. */
async function begun() {
  let now = 0
  const journal = memoryJournal(() => now)
  const rule = inactivityRule(14 * dayMs)
  const at = async (time: number, outcome?: TickEnd['outcome']): Promise<string | undefined> => {
    now = time
    const { due, seen = [] } = await rule.look(journal.state(), now, signal)
    for (const one of seen) journal.append({ type: 'source-seen', rule: 'inactivity', ...one })
    if (due && outcome) {
      journal.append({ type: 'tick-taken', rule: 'inactivity', tick: due.tick, why: due.why })
      journal.append({ type: 'tick-done', rule: 'inactivity', tick: due.tick, outcome })
    }
    return due?.tick
  }
  const released = (time: number, release: string, promotable: boolean) => {
    now = time
    const facts = { key: release, owner: 'lab', imageName: 'lab', inputs: {}, builds: [], destinations: [] }
    journal.append({ type: 'release-opened', release, ...facts })
    if (promotable) journal.append({ type: 'channel-moved', channel: 'candidate', release })
  }
  return { at, released, next: () => rule.nextAt(journal.state(), now) }
}

test('counts from its beginning where there is no release, then from the newest promotable one', async () => {
  const { at, released, next } = await begun()
  expect(await at(0)).toBeUndefined()
  expect(next()).toBe(14 * dayMs)
  expect(await at(14 * dayMs - 1)).toBeUndefined()
  expect(await at(14 * dayMs, 'released')).toBe('none since 1970-01-01T00:00:00.000Z')
  released(14 * dayMs, '1', true)
  expect(next()).toBe(28 * dayMs)
  released(20 * dayMs, '2', false)
  expect(await at(28 * dayMs - 1)).toBeUndefined()
  expect(await at(28 * dayMs)).toBe('1')
})

test('waits longer after each tick that brought nothing, from an hour to a day', async () => {
  const { at, released } = await begun()
  released(0, '1', true)
  let time = 14 * dayMs
  const pauses = [1, 2, 4, 8, 16, 24, 24]
  expect(await at(time, 'failed')).toBe('1')
  for (const [index, hours] of pauses.entries()) {
    expect(await at(time + hours * hourMs - 1)).toBeUndefined()
    time += hours * hourMs
    expect(await at(time, 'failed')).toBe(`1 #${index + 2}`)
  }
})

test('lets the same time pass again when nothing had changed, and does not stop for ever', async () => {
  const { at, released } = await begun()
  released(0, '1', true)
  expect(await at(14 * dayMs, 'nothing-changed')).toBe('1')
  expect(await at(28 * dayMs - 1)).toBeUndefined()
  expect(await at(28 * dayMs, 'nothing-changed')).toBe('1 #2')
})
