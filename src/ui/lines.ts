import type { FactoryEvent } from '#src/events.ts'
import { formatDuration } from '#src/units.ts'
import { type Paint, paintFor } from './color.ts'
import { failureLines } from './failure-text.ts'
import type { Output, Screen } from './listener.ts'
import { printable, printableLines } from './printable.ts'
import { placeKey, placeName, progressTeller } from './progress-text.ts'

const quietMs = 10_000

/** One line an event with the time before it, for logs and pipes: progress at most every 10 s a step, no tool output. */
export function linesScreen(output: Output): Screen {
  const paint = paintFor(output)
  const tell = progressTeller()
  const toldAt = new Map<string, number>()

  const progressLine = (event: Extract<FactoryEvent, { type: 'step-progress' }>): string[] => {
    const text = `${placeName(event)}: ${tell(event)}`
    const key = placeKey(event)
    const last = toldAt.get(key)
    if (last !== undefined && event.at - last < quietMs) return []
    toldAt.set(key, event.at)
    return [text]
  }

  return {
    listen(event) {
      if (event.type === 'step-started') toldAt.delete(placeKey(event))
      const lines = event.type === 'step-progress' ? progressLine(event) : linesOf(event, paint)
      for (const line of lines) output.write(`${clock(event.at)} ${line}\n`)
    },
    close: async () => {},
  }
}

function linesOf(event: Exclude<FactoryEvent, { type: 'step-progress' }>, paint: Paint): string[] {
  switch (event.type) {
    case 'release-started':
      return startLines(event)
    case 'nothing-changed':
      return [`nothing changed since release ${event.release}: ${printable(event.why)}`]
    case 'step-started':
      return [`${placeName(event)}: started`]
    case 'step-log':
    case 'chosen':
      return []
    case 'step-finished': {
      const summary = event.summary === '' ? '' : `: ${printable(event.summary)}`
      return [
        `${placeName(event)}: ${paint('green', 'done')} in ${formatDuration(event.durationMs)}${summary}`,
      ]
    }
    case 'step-failed': {
      const again = event.willRetry ? ['  it will be tried again'] : []
      const failed = `${placeName(event)}: failed after ${formatDuration(event.durationMs)}`
      return [...failureLines(failed, event.error, paint), ...again]
    }
    case 'build-finished': {
      const end = event.ok ? paint('green', 'complete') : paint('red', 'not complete')
      return [`${event.arch}: ${end} after ${formatDuration(event.durationMs)}`]
    }
    case 'index-written':
      return [indexLine(event)]
    case 'warning':
      return warningLines(event, paint)
    case 'release-finished': {
      const outcome = event.outcome === 'done' ? paint('green', 'done') : paint('red', event.outcome)
      const line = `release ${event.release}: ${outcome} after ${formatDuration(event.durationMs)}`
      return [`${line}, see ${printable(event.manifest)}`]
    }
  }
}

/** Where the multi-arch index now is, in one line. */
export function indexLine(event: Extract<FactoryEvent, { type: 'index-written' }>): string {
  return printable(`pushed ${event.reference}@${event.digest} for ${event.architectures.join(', ')}`)
}

/** A warning as whole lines. */
export function warningLines(event: Extract<FactoryEvent, { type: 'warning' }>, paint: Paint): string[] {
  const [first = '', ...rest] = printableLines(event.message)
  const where = event.arch === undefined ? '' : `${event.arch}: `
  const hint = event.hint === undefined ? [] : [`  → ${printable(event.hint)}`]
  return [`${paint('yellow', 'warning:')} ${where}${first}`, ...rest.map((line) => `  ${line}`), ...hint]
}

function startLines(event: Extract<FactoryEvent, { type: 'release-started' }>): string[] {
  const builds = event.builds.map(({ arch, why }) => `${arch}: ${printable(why)}`)
  const places = new Set(event.destinations.map(({ cloud, region }) => printable(`${cloud}/${region}`)))
  const goesTo = places.size === 0 ? [] : [`publishing to ${[...places].join(', ')}`]
  return [`release ${event.release}: ${event.resumed ? 'going on' : 'started'}`, ...builds, ...goesTo]
}

function clock(at: number): string {
  return new Date(at).toISOString().replace(/\.\d+Z$/, 'Z')
}
