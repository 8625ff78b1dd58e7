import { html } from 'hono/html'
import { formatDuration } from '#src/units.ts'
import { printable, printableLines } from '#src/ui/printable.ts'

/** Text that stands in a page as it is; everything else is escaped when it is put into a template. */
export type Markup = ReturnType<typeof html>

/** What a builder, a cloud or a webhook said, as one line: without characters that reorder or hide text. */
export const line = printable

/** The same of a text of several lines, for elements that keep line ends. */
export function lines(text: string): string {
  return printableLines(text).join('\n')
}

/** The time itself, to the minute. */
export function moment(at: number): Markup {
  const iso = new Date(at).toISOString()
  return html`<time datetime="${iso}">${iso.slice(0, 16).replace('T', ' ')} UTC</time>`
}

/** How long ago, or in how long; the time itself is its tooltip. */
export function relative(at: number, now: number): Markup {
  const iso = new Date(at).toISOString()
  return html`<time datetime="${iso}" title="${iso.slice(0, 19).replace('T', ' ')} UTC"
    >${distance(at - now)}</time
  >`
}

function distance(ms: number): string {
  const past = ms < 0
  const minutes = Math.round(Math.abs(ms) / 60_000)
  if (minutes < 1) return past ? 'just now' : 'in a moment'
  const text =
    minutes < 90
      ? `${minutes} min`
      : minutes < 36 * 60
        ? `${Math.round(minutes / 60)} h`
        : `${Math.round(minutes / 1440)} days`
  return past ? `${text} ago` : `in ${text}`
}

/** A duration where many are compared: whole minutes, or seconds below one. */
export function roughly(ms: number): string {
  if (ms < 60_000) return `${Math.round(ms / 1000)} s`
  return ms < 3_600_000 ? `${Math.round(ms / 60_000)} min` : formatDuration(ms)
}

/** `one image`, `3 images`. */
export function count(number: number, thing: string): string {
  return `${number === 1 ? 'one' : number} ${thing}${number === 1 ? '' : 's'}`
}

const marks = {
  done: html`<path d="M3.5 8.5l3 3 6-7" />`,
  failed: html`<path d="M4 4l8 8M12 4l-8 8" />`,
  running: html`<circle cx="8" cy="8" r="4.5" class="filled" />`,
  partly: html`<path d="M8 3.5v5.5M8 12v.5" />`,
  waiting: html`<circle cx="8" cy="8" r="1" class="filled" />`,
  unneeded: html`<path d="M5 8h6" />`,
}

export type MarkName = keyof typeof marks

/** A small sign for a state; whoever uses it says the state in words beside it. */
export function mark(name: MarkName): Markup {
  return html`<svg class="mark is-${name}" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
    ${marks[name]}
  </svg>`
}

/** A state in words. */
export function badge(kind: 'good' | 'bad' | 'busy' | 'warn' | 'plain', text: string): Markup {
  return html`<span class="badge is-${kind}">${text}</span>`
}

/** For those who hear the page. */
export function spoken(text: string): Markup {
  return html`<span class="spoken">${text}</span>`
}
