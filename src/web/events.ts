import { type Context, Hono } from 'hono'
import { stream } from 'hono/streaming'
import type { WebEnvironment } from './environment.ts'
import { lastEventId } from './history.ts'
import { busy } from './refusals.ts'
import type { EventHistory, NumberedEvent, Serving } from './types.ts'

const atOnce = 100
/** Written at once, so that a slow reader is waited for after every so many. */
const batch = 100
const retryMs = 2_000

export interface EventOptions {
  /** Milliseconds between signs of life. */
  heartbeatMs: number
  /** Aborted when the server closes. */
  closing: AbortSignal
}

/** How a stream is written: events, a sign of life, and that some events are lost to the reader. */
interface Format {
  contentType: string
  start: string
  event(event: NumberedEvent): string
  gap(id: number): string
  alive: string
}

/** https://html.spec.whatwg.org/multipage/server-sent-events.html */
const sse: Format = {
  contentType: 'text/event-stream',
  start: `retry: ${retryMs}\n\n`,
  event: ({ id, event }) => `id: ${id}\ndata: ${JSON.stringify(event)}\n\n`,
  gap: (id) => `id: ${id}\nevent: gap\ndata: {}\n\n`,
  alive: ': alive\n\n',
}

const ndjson: Format = {
  contentType: 'application/x-ndjson',
  start: '',
  event: (numbered) => `${JSON.stringify(numbered)}\n`,
  gap: (id) => `${JSON.stringify({ id, gap: true })}\n`,
  alive: `${JSON.stringify({ alive: true })}\n`,
}

/**
 * `GET /events` (server-sent events) and `GET /events.ndjson` go on after the id in `Last-Event-ID` or `?after=`, without
 * one with what comes next. No event is left out or told twice: where some are not kept any more, the reader is told of
 * the gap. What a slow reader has not taken yet lies in the history, which is one for all of them.
 */
export function events(serving: Serving, options: EventOptions): Hono<WebEnvironment> {
  let open = 0
  const answer = (context: Context<WebEnvironment>, format: Format) => {
    if (context.req.method === 'HEAD') return context.body(null)
    if (open >= atOnce) throw busy(`${atOnce} readers of events`)
    context.header('Content-Type', format.contentType)
    context.header('Cache-Control', 'no-store')
    context.header('X-Accel-Buffering', 'no')
    const after = cursorOf(context) ?? lastEventId(serving.events)
    open += 1
    return stream(context, async (writer) => {
      const ended = new AbortController()
      writer.onAbort(() => ended.abort())
      const signal = AbortSignal.any([ended.signal, options.closing])
      try {
        await tell(serving, format, after, { ...options, signal, write: (text) => writer.write(text) })
      } finally {
        open -= 1
      }
    })
  }
  return new Hono<WebEnvironment>()
    .get('/events', (context) => answer(context, sse))
    .get('/events.ndjson', (context) => answer(context, ndjson))
}

interface Telling {
  signal: AbortSignal
  heartbeatMs: number
  /** Resolves when the reader has room again. */
  write(text: string): Promise<unknown>
}

async function tell(
  { events: history }: Serving,
  format: Format,
  after: number,
  { signal, heartbeatMs, write }: Telling,
): Promise<void> {
  let wake = () => {}
  const wakeUp = () => wake()
  const stop = history.subscribe(wakeUp)
  signal.addEventListener('abort', wakeUp)
  let cursor = after
  try {
    await write(format.start)
    if (isAhead(history, cursor)) await write(format.gap((cursor = lastEventId(history))))
    while (!signal.aborted) {
      const woken = new Promise<'woken'>((resolve) => (wake = () => resolve('woken')))
      const next = history.since(cursor).slice(0, batch)
      const [first] = next
      if (first && cursor !== 0 && first.id !== cursor + 1) await write(format.gap(first.id - 1))
      if (first) {
        cursor = next.at(-1)!.id
        await write(next.map(format.event).join(''))
      } else if ((await sooner(woken, heartbeatMs)) === 'late') await write(format.alive)
    }
  } finally {
    stop()
    signal.removeEventListener('abort', wakeUp)
  }
}

/** Of a process before this one whose clock was ahead, or that this one has told nothing since. */
function isAhead(history: EventHistory, cursor: number): boolean {
  return cursor > lastEventId(history)
}

/** Ids are counted, so anything else is no place in the order. */
function cursorOf({ req }: Context): number | undefined {
  const text = req.header('last-event-id') ?? req.query('after')
  return text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : undefined
}

async function sooner(woken: Promise<'woken'>, ms: number): Promise<'woken' | 'late'> {
  const late = Promise.withResolvers<'late'>()
  const timer = setTimeout(() => late.resolve('late'), ms)
  try {
    return await Promise.race([woken, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
