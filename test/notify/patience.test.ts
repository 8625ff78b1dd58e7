import { expect, test } from 'vitest'
import { type Behaviour, startHttpReceiver } from '#test/servers/http-receiver.ts'
import { makeScene, notice } from './scene.ts'

const told = [{ kind: 'webhook', urlFile: 'url' }] as const

async function server(...behaviours: ReturnType<Behaviour>[]) {
  return await startHttpReceiver(() => behaviours.shift() ?? { status: 200 })
}

test('tries again after trouble of the receiver, in growing pauses, and brings the notice once it can', async () => {
  const busy = { status: 503 }
  await using receiver = await server(busy, 'lost', busy, busy)
  await using scene = await makeScene(told, { url: receiver.origin })
  scene.notifier.tell(notice())
  await scene.notifier.settled()
  expect(receiver.requests).toHaveLength(5)
  expect(new Set(receiver.requests.map(({ headers }) => headers['x-factory-delivery']))).toHaveLength(1)
  for (const [index, ms] of scene.pauses.entries()) {
    expect(ms).toBeGreaterThanOrEqual(500 * 2 ** index)
    expect(ms).toBeLessThanOrEqual(1000 * 2 ** index)
  }
  expect(scene.logged).toEqual([
    'notify[0] (webhook) could not be told; trying again for up to 30 min: the message was not taken: HTTP 503. The receiver has trouble of its own.',
    'notify[0] (webhook) works again; notices that were lost: 0',
  ])
})

test.each([
  ['seconds', () => '90'],
  ['a date', (clock: number) => new Date(clock + 90_000).toUTCString()],
])('waits as long as Retry-After says in %s', async (_, retryAfter) => {
  let asked = false
  await using receiver = await startHttpReceiver(() => {
    if (asked) return { status: 200 }
    asked = true
    return { status: 429, headers: { 'retry-after': retryAfter(scene.clock) } }
  })
  await using scene = await makeScene(told, { url: receiver.origin })
  scene.notifier.tell(notice())
  await scene.notifier.settled()
  expect(receiver.requests).toHaveLength(2)
  expect(scene.pauses[0]).toBeGreaterThan(88_000)
  expect(scene.pauses[0]).toBeLessThanOrEqual(90_000)
})

test('gives up at once where it is asked to wait until the notice is no news any more', async () => {
  await using receiver = await server({ status: 429, headers: { 'retry-after': '86400' } })
  await using scene = await makeScene(told, { url: receiver.origin })
  scene.notifier.tell(notice())
  await scene.notifier.settled()
  expect(receiver.requests).toHaveLength(1)
  expect(scene.pauses).toEqual([])
})

test('gives up after its deadline, tells it once whatever fails after it, and tells when it works again', async () => {
  let works = false
  await using receiver = await startHttpReceiver(() => ({ status: works ? 200 : 500 }))
  await using scene = await makeScene(told, { url: receiver.origin })
  const start = scene.clock
  scene.notifier.tell(notice({ id: '1' }))
  scene.notifier.tell(notice({ id: '2' }))
  await scene.notifier.settled()
  expect(scene.clock - start).toBeLessThanOrEqual(30 * 60_000)
  expect(scene.clock - start).toBeGreaterThan(20 * 60_000)
  expect(scene.logged).toHaveLength(1)

  works = true
  scene.notifier.tell(notice({ id: '3' }))
  await scene.notifier.settled()
  expect(scene.logged.slice(1)).toEqual(['notify[0] (webhook) works again; notices that were lost: 2'])
})

test.each([400, 401, 403, 404, 410])('does not repeat what was refused with %i', async (status) => {
  await using receiver = await server({ status })
  await using scene = await makeScene(told, { url: receiver.origin })
  scene.notifier.tell(notice())
  await scene.notifier.settled()
  expect(receiver.requests).toHaveLength(1)
  expect(scene.logged).toHaveLength(1)
})

test('leaves a server that does not answer, and tries again', async () => {
  await using receiver = await server('silent')
  await using scene = await makeScene(told, { url: receiver.origin }, { patience: { tryMs: 600 } })
  scene.notifier.tell(notice())
  await scene.notifier.settled()
  expect(receiver.requests.length).toBeGreaterThanOrEqual(2)
  expect(scene.logged[0]).toContain('telling notify[0] (webhook) did not finish within 1 s')
})

test('keeps a bounded number waiting, in their order, and each notice once', async () => {
  await using receiver = await server('silent')
  await using slow = await startHttpReceiver(() => 'silent')
  await using scene = await makeScene(
    [...told, { kind: 'webhook', urlFile: 'slow' }],
    { url: receiver.origin, slow: slow.origin },
    { patience: { mostWaiting: 3 } },
  )
  for (const id of ['1', '1', '2', '3', '4', '5']) scene.notifier.tell(notice({ id }))
  expect(scene.logged).toEqual([
    'notify[0] (webhook) could not be told: 3 notices wait for it already',
    'notify[1] (webhook) could not be told: 3 notices wait for it already',
  ])
  scene.stop()
  await scene.notifier.settled()
  scene.notifier.tell(notice({ id: '6' }))
  await scene.notifier.settled()
})

test('one receiver that does not answer keeps the others from nothing', async () => {
  const { promise: arrived, resolve } = Promise.withResolvers<void>()
  await using slow = await startHttpReceiver(() => 'silent')
  await using quick = await startHttpReceiver(({ headers }) => {
    if (headers['x-factory-delivery'] === '3') resolve()
    return { status: 200 }
  })
  await using scene = await makeScene(
    [
      { kind: 'webhook', urlFile: 'slow' },
      { kind: 'webhook', urlFile: 'quick' },
      { kind: 'webhook', urlFile: 'quick', on: ['promoted'] },
    ],
    { slow: slow.origin, quick: quick.origin },
  )
  for (const id of ['1', '2', '3']) scene.notifier.tell(notice({ id }))
  await arrived
  expect(quick.requests.map(({ headers }) => headers['x-factory-delivery'])).toEqual(['1', '2', '3'])

  scene.stop()
  await scene.notifier.settled()
  expect(scene.logged).toEqual([])
})
