import { expect, test } from 'vitest'
import { createPace, isPushedBack } from '#clouds/pace.ts'

/** How many of these have come to their end by now. */
async function settled(promises: readonly Promise<unknown>[]): Promise<number> {
  let count = 0
  for (const each of promises) void each.then(() => (count += 1))
  await new Promise((resolve) => setImmediate(resolve))
  return count
}

test('after too many calls at once, so many are on their way again only when it goes well', async () => {
  const pace = createPace(64)
  const started = Array.from({ length: 9 }, () => pace.start())
  expect(await settled(started)).toBe(8)
  pace.slowDown()
  pace.slowDown()
  const again = started.slice(0, 8).map(() => pace.rest(() => Promise.resolve()))
  expect(await settled(again)).toBe(2)
  expect(await settled(started), 'nothing new begins while others still have to be sent').toBe(8)
  for (let count = 0; count < 6; count += 1) pace.done('failed')
  expect(await settled(again)).toBe(8)
  pace.done('answered')
  expect(await settled(started)).toBe(9)
})

test('a call whose pause is broken off comes back to its turn, to be done', async () => {
  const pace = createPace(1)
  await pace.start()
  const stopped = pace.rest(() => Promise.reject(new Error('stopped')))
  await expect(stopped).rejects.toThrow('stopped')
  pace.done('failed')
  await pace.start()
  expect(await settled([pace.start()])).toBe(0)
})

test.each(['RequestThrottledException', 'SlowDown', 'ServiceUnavailable', 'TimeoutError', 'AbortError'])(
  '%s is too many calls',
  (name) => expect(isPushedBack(name)).toBe(true),
)

test.each(['AccessDenied', 'ResourceNotFoundException', 'InternalServerException', 'ECONNRESET'])(
  '%s is not',
  (name) => expect(isPushedBack(name)).toBe(false),
)
