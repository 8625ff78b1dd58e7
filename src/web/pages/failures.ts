import { html } from 'hono/html'
import type { ReleaseState } from '#src/journal/replay.ts'
import { type Markup, line, lines, mark } from './markup.ts'

/** Every step that failed: what, where, and the next thing to do. */
export function failuresOf({ steps }: ReleaseState): Markup {
  const failed = steps.flatMap(({ arch, step, target, error }) =>
    error ? [{ where: [arch, step, target ?? ''].join(' ').trim(), error }] : [],
  )
  if (failed.length === 0) return html``
  return html`<ul class="notes">
    ${failed.map(
      ({ where, error }) =>
        html`<li class="is-bad">
          <p>${mark('failed')} <b>${line(where)} failed</b> <code>${line(error.code)}</code></p>
          <p class="said">${lines(error.message)}</p>
          ${error.hint === undefined ? '' : html`<p class="hint">${lines(error.hint)}</p>`}
        </li>`,
    )}
  </ul>`
}
