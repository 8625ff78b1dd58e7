import { expect, test } from 'vitest'
import { slidingRate } from '#src/ui/rate.ts'

const mib = 1024 ** 2

test('speed and time left come from the last seconds', () => {
  const rate = slidingRate(10_000)
  for (let second = 0; second <= 20; second += 1) rate.add(second * 1000, second * 100 * mib)
  for (let second = 21; second <= 40; second += 1) rate.add(second * 1000, (2000 + (second - 20) * 10) * mib)
  expect(rate.bytesPerSecond()).toBe(10 * mib)
  expect(rate.etaMs(2300 * mib)).toBe(10_000)
})

test('nothing is known in the first second', () => {
  const rate = slidingRate()
  rate.add(0, 0)
  rate.add(999, mib)
  expect(rate.bytesPerSecond()).toBeUndefined()
  expect(rate.etaMs(2 * mib)).toBeUndefined()
})

test('a transfer that stalls has no time left to tell', () => {
  const rate = slidingRate()
  rate.add(0, mib)
  rate.add(20_000, mib)
  expect(rate.bytesPerSecond()).toBe(0)
  expect(rate.etaMs(2 * mib)).toBeUndefined()
})

test('a transfer that begins anew is no negative speed', () => {
  const rate = slidingRate()
  rate.add(0, 0)
  rate.add(2000, 100 * mib)
  rate.add(3000, 0)
  expect(rate.bytesPerSecond()).toBeUndefined()
  rate.add(5000, 10 * mib)
  expect(rate.bytesPerSecond()).toBe(5 * mib)
})

test('a slow reporter still has a speed', () => {
  const rate = slidingRate(10_000)
  rate.add(0, 0)
  rate.add(30_000, 30 * mib)
  rate.add(60_000, 60 * mib)
  expect(rate.bytesPerSecond()).toBe(mib)
})
