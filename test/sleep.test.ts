import { expect, test } from 'vitest'
import { sleep } from '#src/sleep.ts'

test("rejects with the signal's own reason, before and while it sleeps", async () => {
  const stop = new AbortController()
  const reason = new Error('Ctrl-C')
  const sleeping = sleep(60_000, stop.signal)
  stop.abort(reason)
  await expect(sleeping).rejects.toBe(reason)
  await expect(sleep(1, stop.signal)).rejects.toBe(reason)
  await sleep(1, new AbortController().signal)
})
