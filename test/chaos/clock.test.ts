import { expect, test } from 'vitest'
import { openLedger } from './ledger.ts'
import { newWorld, startRun } from './run.ts'
import { expectGone, expectOneOfEverything } from './world.ts'

const dayMs = 24 * 60 * 60_000
const cutOff = { point: 'append container-built s390x #1', when: 'after', what: 'kill' } as const

test.each([
  ['a day behind', -dayMs],
  ['an hour ahead', dayMs / 24],
])('an orchestrator that goes on with its clock %s keeps its machines', async (_name, clockMs) => {
  const world = newWorld()
  await startRun(world, { injection: cutOff })
  const next = await startRun(world, { clockMs })
  expect(next.exitCode, next.stderr).toBe(0)
  expectOneOfEverything(world, ['x86_64', 's390x'], `the clock is ${clockMs} ms off`)
})

test('an orchestrator that goes on with its clock a year ahead rents again, gives everything back and publishes once', async () => {
  const world = newWorld()
  await startRun(world, { injection: cutOff })
  const next = await startRun(world, { clockMs: 365 * dayMs })
  expect(next.exitCode, next.stderr).toBe(0)
  expectGone(world, 'the clock is a year ahead')
  using ledger = openLedger(world)
  const uploads = ledger.images().map(({ image, uploads: count }) => `${image.arch} ${count}`)
  expect(uploads.toSorted()).toEqual(['s390x 1', 'x86_64 1'])
  expect(ledger.machines().filter(({ purpose }) => purpose === 'build')).toHaveLength(4)
})
