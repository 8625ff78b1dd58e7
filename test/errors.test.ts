import { expect, test } from 'vitest'
import { FactoryError, asFactoryError } from '#src/errors.ts'

test('what a deadline has ended is told as that, and may be tried again; anything foreign is a defect of ours', async () => {
  const deadline = AbortSignal.timeout(1)
  const ended: unknown = await new Promise((_resolve, reject) => {
    deadline.addEventListener('abort', () => reject(deadline.reason))
  }).catch((reason: unknown) => reason)
  const timeout = asFactoryError(ended)
  expect(timeout).toMatchObject({ code: 'deadline-passed', class: 'timeout', retryable: true, cause: ended })
  expect(timeout.hint).toContain('does not answer')

  const defect = asFactoryError(new TypeError('x is not a function'))
  expect(defect).toMatchObject({ code: 'unexpected', class: 'bug', retryable: false })
  const own = new FactoryError({ code: 'a-b', class: 'user', message: 'no' })
  expect(asFactoryError(own)).toBe(own)
})
