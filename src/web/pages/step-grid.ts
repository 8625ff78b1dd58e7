import { html } from 'hono/html'
import { stepNames } from '#src/events.ts'
import type { ReleaseState } from '#src/journal/replay.ts'
import { formatDuration } from '#src/units.ts'
import type { Live } from './live.ts'
import { type Markup, line, mark, spoken } from './markup.ts'
import { type Cell, cellsOf } from './steps.ts'

/** Architectures by steps: what is done, what runs, and how long each took. */
export function stepGrid(release: ReleaseState, now: number, live: Live): Markup {
  return html`<table class="grid">
    <caption class="spoken">
      Steps of release ${line(release.release)} by architecture
    </caption>
    <thead>
      <tr>
        <td></td>
        ${stepNames.map((step) => html`<th scope="col"><span>${step}</span></th>`)}
      </tr>
    </thead>
    <tbody>
      ${release.builds.map(
        ({ arch }) =>
          html`<tr>
            <th scope="row">${arch}</th>
            ${cellsOf(release, arch, now).map((cell) => gridCell(cell, live))}
          </tr>`,
      )}
    </tbody>
  </table>`
}

function gridCell(cell: Cell, live: Live): Markup {
  const { mark: sign, state, durationMs, done, of } = cell
  const parts = of > 1 && done > 0 ? html` <span class="parts">${done}/${of}</span>` : ''
  return html`<td class="is-${sign}">
    <span class="cell">
      ${mark(sign)}${spoken(state)}${parts}
      <span class="took">${durationMs === undefined ? '' : brief(durationMs)}</span>
    </span>
    ${state === 'running' ? bar(cell, live) : ''}
  </td>`
}

function bar({ arch, step, steps }: Cell, live: Live): Markup {
  const fractions = steps
    .filter(({ state }) => state === 'running')
    .flatMap((one) => live.news(one, one.startedAt)?.fraction ?? [])
  if (fractions.length === 0) return html``
  const least = Math.min(...fractions)
  return html`<progress max="100" value="${Math.floor(least * 100)}" aria-label="${arch} ${step}"></progress>`
}

/** Whole seconds: cells are compared. */
function brief(ms: number): string {
  return ms < 60_000 ? `${Math.round(ms / 1000)} s` : formatDuration(ms).replace(/ min (\d+) s$/, ':$1')
}
