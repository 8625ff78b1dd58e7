import type { FactoryEvent, StepPlace } from '#src/events.ts'
import { formatBytes, formatDuration } from '#src/units.ts'
import { printable } from './printable.ts'
import { type Rate, slidingRate } from './rate.ts'

export type ProgressEvent = Extract<FactoryEvent, { type: 'step-progress' }>

/** What tells one step of one build from all others. */
export function placeKey(place: StepPlace): string {
  return [place.arch, place.step, place.target ?? ''].join(' ')
}

/** `s390x publish lab/qemu:///system`, for lines that stand alone. */
export function placeName(place: StepPlace): string {
  return printable([place.arch, place.step, ...(place.target === undefined ? [] : [place.target])].join(' '))
}

/**
 * Puts progress into words: `org.osbuild.rpm 14/31`, `disk.raw 1.2 GiB of 4 GiB, 85 MiB/s, 33 s left`. It remembers each
 * step's bytes of the last seconds for the speed.
 */
export function progressTeller(): (event: ProgressEvent) => string {
  const rates = new Map<string, Rate>()
  return (event) => {
    const { message, done, total, unit } = event.progress
    const what = printable(message)
    if (done === undefined) return what
    if (unit !== 'bytes') return total === undefined ? `${what} (${done})` : `${what} ${done}/${total}`
    const key = placeKey(event)
    const rate = rates.get(key) ?? slidingRate()
    rates.set(key, rate)
    rate.add(event.at, done)
    const speed = event.bytesPerSecond ?? rate.bytesPerSecond()
    const etaMs = event.etaMs ?? (total === undefined ? undefined : rate.etaMs(total))
    const parts = [
      total === undefined ? formatBytes(done) : `${formatBytes(done)} of ${formatBytes(total)}`,
      ...(speed === undefined ? [] : [`${formatBytes(speed)}/s`]),
      ...(etaMs === undefined || done === total ? [] : [`${wholeSeconds(etaMs)} left`]),
    ]
    return `${what} ${parts.join(', ')}`
  }
}

function wholeSeconds(ms: number): string {
  return ms < 59_500 ? `${Math.max(1, Math.round(ms / 1000))} s` : formatDuration(ms)
}
