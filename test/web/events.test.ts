import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import type { FactoryEvent } from '#src/events.ts'
import { eventHistory, lastEventId } from '#src/web/history.ts'
import { hostile } from './scripted-serving.ts'
import { type WebServer, json, webServer } from './web-server.ts'

function line(text: string): FactoryEvent {
  return { type: 'step-log', arch: 'x86_64', step: 'container', at: 1, line: text }
}

interface Told {
  id?: string
  event?: string
  data?: string
}

/** A reader as browsers are one: knows the last id, and shows it when it comes again. */
async function listenTo(server: WebServer, path: string, lastId?: string) {
  const asked = request(new URL(path, server.listening.url), {
    agent: false,
    headers: {
      authorization: `Bearer ${server.token}`,
      ...(lastId === undefined ? {} : { 'last-event-id': lastId }),
    },
  })
  asked.end()
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  expect(response.statusCode).toBe(200)
  const lines = createInterface(response)[Symbol.asyncIterator]()
  return {
    response,
    lines,
    cut: () => response.destroy(),
    async next(): Promise<Told> {
      const told: Told = {}
      for (;;) {
        const { value, done } = await lines.next()
        if (done) throw new Error('the stream has ended')
        if (value === '' && told.data !== undefined) return told
        const [, key, rest] = /^(id|event|data): (.*)$/.exec(value) ?? []
        if (key !== undefined) told[key as keyof Told] = rest!
      }
    },
  }
}

test('a reader that is cut off again and again hears every event once and in order', async () => {
  await using server = await webServer()
  const total = 3_000
  const start = String(lastEventId(server.events))
  let told = 0
  const teller = setInterval(() => {
    for (let count = 0; count < 20 && told < total; count += 1)
      server.events.tell(line(`${told++} ${hostile}`))
  }, 2)
  const heard: string[] = []
  let last = start
  let cuts = 0
  while (heard.length < total) {
    const reader = await listenTo(server, '/events?after=0', last)
    const until = heard.length + 1 + ((cuts * 37) % 300)
    while (heard.length < Math.min(until, total)) {
      const { id, event, data } = await reader.next()
      expect(event).toBeUndefined()
      heard.push((JSON.parse(data!) as { line: string }).line)
      last = id!
    }
    reader.cut()
    cuts += 1
  }
  clearInterval(teller)
  expect(cuts).toBeGreaterThan(10)
  expect(heard).toEqual(Array.from({ length: total }, (_, index) => `${index} ${hostile}`))
})

test('without an id a reader hears what comes next, with ?after= what a page has not shown yet', async () => {
  await using server = await webServer()
  server.events.tell(line('before'))
  const page = lastEventId(server.events)
  server.events.tell(line('between'))
  const now = await listenTo(server, '/events')
  const since = await listenTo(server, `/events?after=${page}`)
  server.events.tell(line('after'))
  expect((await now.next()).data).toContain('"after"')
  expect((await since.next()).data).toContain('"between"')
  expect((await since.next()).data).toContain('"after"')
  now.cut()
  since.cut()
})

test('a reader is told of what it can not be told any more', async () => {
  await using server = await webServer()
  server.events.tell(line('first'))
  const first = lastEventId(server.events)
  for (let count = 0; count < 6_000; count += 1) server.events.tell(line(String(count)))
  const late = await listenTo(server, '/events', String(first))
  const gap = await late.next()
  expect(gap.event).toBe('gap')
  const next = await late.next()
  expect(Number(next.id)).toBe(Number(gap.id) + 1)
  expect(server.events.since(0)[0]!.id).toBe(Number(next.id))
  late.cut()
  const fromElsewhere = await listenTo(server, '/events', String(lastEventId(server.events) + 5))
  expect(await fromElsewhere.next()).toMatchObject({ event: 'gap', id: String(lastEventId(server.events)) })
  fromElsewhere.cut()
})

test('the ids of a process are higher than those of one before it, so that a gap between them is seen', () => {
  const old = eventHistory(1_000_000)
  for (let count = 0; count < 500; count += 1) old.tell(line('x'))
  const later = eventHistory(1_000_001)
  later.tell(line('y'))
  expect(lastEventId(later)).toBeGreaterThan(lastEventId(old) + 1)
  expect(later.since(lastEventId(old))).toHaveLength(1)
  expect(later.since(lastEventId(later))).toEqual([])
  expect(old.since(1_000_000_498).map(({ id }) => id)).toEqual([1_000_000_499])
})

test('NDJSON has an event a line, and lines that nothing happened', async () => {
  await using server = await webServer({}, { heartbeatMs: 50 })
  const reader = await listenTo(server, '/events.ndjson')
  expect(reader.response.headers['content-type']).toBe('application/x-ndjson')
  expect(JSON.parse((await reader.lines.next()).value!)).toEqual({ alive: true })
  server.events.tell(line(`one\ntwo ${hostile}`))
  for (;;) {
    const told = JSON.parse((await reader.lines.next()).value!) as object
    if ('alive' in told) continue
    expect(told).toEqual({ id: lastEventId(server.events), event: line(`one\ntwo ${hostile}`) })
    break
  }
  reader.cut()
})

test('what is chosen is told when it was done, and what was refused is not', async () => {
  await using server = await webServer()
  const reader = await listenTo(server, '/events')
  const choose = async (path: string) => (await server.ask(`/api/${path}`, json({ why: 'x' }))).status
  expect(await choose('releases/20261122.0/promote')).toBe(409)
  for (const path of ['promote', 'ignore', 'pin'])
    expect(await choose(`releases/20261124.0/${path}`)).toBe(200)
  expect(await choose('rollback')).toBe(200)
  expect((await server.ask('/api/rules/base/resume', json({}))).status).toBe(200)
  expect((await server.ask('/api/releases', json({}))).status).toBe(202)
  for (const choice of ['promote', 'ignore', 'pin', 'rollback', 'resume', 'press'])
    expect(JSON.parse((await reader.next()).data!)).toEqual({
      type: 'chosen',
      at: server.serving.now(),
      choice,
    })
  reader.cut()
})

test('server-sent events have signs of life', async () => {
  await using server = await webServer({}, { heartbeatMs: 50 })
  const { lines, cut } = await listenTo(server, '/events')
  const heard: (string | undefined)[] = []
  while (heard.filter((text) => text === ': alive').length < 2) heard.push((await lines.next()).value)
  expect(heard[0]).toBe('retry: 2000')
  cut()
})

test('closing ends the streams and leaves no reader behind', async () => {
  await using server = await webServer()
  const reader = await listenTo(server, '/events')
  const ended = once(reader.response, 'end')
  await server.listening.close()
  await ended
  expect(reader.response.complete).toBe(true)
})

test('readers beyond the hundredth are refused, and those that went make room', async () => {
  await using server = await webServer()
  const readers = await Promise.all(Array.from({ length: 100 }, () => listenTo(server, '/events')))
  expect((await server.ask('/events')).status).toBe(503)
  expect((await server.ask('/events', { method: 'HEAD' })).status).toBe(200)
  for (const { cut } of readers) cut()
  await expect
    .poll(
      async () => {
        const probe = request(new URL('/events', server.listening.url), {
          agent: false,
          headers: { authorization: `Bearer ${server.token}` },
        })
        probe.end()
        const [response] = (await once(probe, 'response')) as [IncomingMessage]
        response.destroy()
        return response.statusCode
      },
      { timeout: 30_000 },
    )
    .toBe(200)
})

test('a reader that takes nothing is closed, and costs no memory meanwhile', async () => {
  await using server = await webServer({}, { idleMs: 1_000, heartbeatMs: 100 })
  let readers = 0
  const { subscribe } = server.events
  server.events.subscribe = (listener) => {
    const stop = subscribe(listener)
    readers += 1
    return () => {
      readers -= 1
      stop()
    }
  }
  const socket = connect(Number(new URL(server.listening.url).port), '127.0.0.1')
  await once(socket, 'connect')
  socket.pause()
  socket.on('error', () => {})
  socket.write(
    `GET /events HTTP/1.1\r\nHost: ${server.host}\r\nAuthorization: Bearer ${server.token}\r\n\r\n`,
  )
  await expect.poll(() => readers, { timeout: 30_000 }).toBe(1)
  const before = process.memoryUsage().rss
  for (let count = 0; count < 20_000; count += 1) server.events.tell(line(`${count} ${'x'.repeat(5_000)}`))
  await expect.poll(() => readers, { timeout: 30_000 }).toBe(0)
  expect(process.memoryUsage().rss - before).toBeLessThan(128 * 1024 * 1024)
  socket.destroy()
})
