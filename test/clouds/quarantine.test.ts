import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { liftQuarantine, quarantine, readQuarantines } from '#clouds/quarantine.ts'

const failure = { code: 'host-unreachable', message: 'it did not answer' }
const minuteMs = 60_000
let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quarantine-'))
})
afterEach(async () => {
  await rm(directory, { recursive: true })
})

test('a place that fails again and again is left out for longer and longer, an hour at most', async () => {
  const pauses: number[] = []
  for (let nowMs = 0; pauses.length < 9; nowMs += 2 * 3_600_000) {
    const { since, until } = await quarantine(directory, 'z1', failure, nowMs)
    expect(since).toBe(new Date(0).toISOString())
    pauses.push((Date.parse(until) - nowMs) / minuteMs)
  }
  expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60])
  await liftQuarantine(directory, 'z1')
  expect(await readQuarantines(directory)).toEqual([])
  expect((await quarantine(directory, 'z1', failure, minuteMs)).failures).toBe(1)
})

test('places are kept apart, whatever they are called, and what cannot be read is nothing', async () => {
  expect(await readQuarantines(directory)).toEqual([])
  const places = ['z1', '[::1]:2222', '../z1', 'qemu+ssh://host/system']
  await Promise.all(places.map((place) => quarantine(directory, place, failure, 0)))
  await writeFile(join(directory, 'quarantine', 'broken'), '{"place"')
  const known = await readQuarantines(directory)
  expect(known.map(({ place }) => place).toSorted()).toEqual(places.toSorted())
  expect(await readdir(directory)).toEqual(['quarantine'])
  await liftQuarantine(directory, '../z1')
  expect(await readQuarantines(directory)).toHaveLength(3)
})

test('a place that several find failing at once is left out, and none of them stumbles over another', async () => {
  const many = Array.from({ length: 20 }, (_, index) => ({ ...failure, message: 'x'.repeat(index * 500) }))
  await Promise.all(many.map((each) => quarantine(directory, 'z1', each, 0)))
  expect(await readQuarantines(directory)).toMatchObject([{ place: 'z1', code: 'host-unreachable' }])
  expect(await readdir(join(directory, 'quarantine'))).toEqual(['z1'])
})
