import { html } from 'hono/html'
import type { ReleaseState, StepState } from '#src/journal/replay.ts'
import { formatDuration } from '#src/units.ts'
import { type Markup, line, mark, moment, spoken } from './markup.ts'

/** Every step in the order in which it began, with what it said of itself. */
export function stepTable({ steps }: ReleaseState): Markup {
  if (steps.length === 0) return html``
  const ordered = steps.toSorted((one, other) => one.startedAt - other.startedAt)
  return html`<details>
    <summary>Every step</summary>
    <table class="list stacked steps" role="table" aria-label="Every step">
      <thead role="rowgroup">
        <tr role="row">
          ${['Step', 'Architecture', 'Where', 'Began', 'Took', 'What came of it'].map(
            (head) => html`<th scope="col" role="columnheader">${head}</th>`,
          )}
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${ordered.map(stepRow)}
      </tbody>
    </table>
  </details>`
}

const marks = { finished: 'done', failed: 'failed', running: 'running' } as const

function stepRow({ arch, step, target, state, startedAt, durationMs, summary, error }: StepState): Markup {
  const sign = marks[state]
  return html`<tr role="row">
    <th scope="row" role="rowheader">
      <span class="is-${sign}">${mark(sign)}</span>${spoken(state)} ${step}
    </th>
    <td role="cell" data-head="architecture">${arch}</td>
    <td role="cell" data-head="where">${target === undefined ? '' : line(target)}</td>
    <td role="cell" data-head="began">${moment(startedAt)}</td>
    <td role="cell" data-head="took">${durationMs === undefined ? '–' : formatDuration(durationMs)}</td>
    <td role="cell" data-head="result">${line(error?.message ?? summary ?? '')}</td>
  </tr>`
}
