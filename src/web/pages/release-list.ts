import { html } from 'hono/html'
import type { ArchitectureName } from '#arch/index.ts'
import type { ReleaseState } from '#src/journal/replay.ts'
import type { Serving } from '../types.ts'
import { type Markup, line, mark, relative, roughly, spoken } from './markup.ts'
import { releaseAddress, releaseBadges } from './release-work.ts'
import { architectureMs, cellsOf } from './steps.ts'

const shownReleases = 12

/** The releases before, one a line: what became of each architecture. */
export function releaseList(serving: Serving): Markup {
  const state = serving.state()
  const now = serving.now()
  const shown = state.releases.slice(-shownReleases - 1, -1).toReversed()
  if (shown.length === 0) return html``
  const architectures = [...new Set(shown.flatMap(({ builds }) => builds.map(({ arch }) => arch)))]
  return html`<section class="card" aria-labelledby="before">
    <h2 id="before">Before</h2>
    <table class="list stacked before" role="table" aria-labelledby="before">
      <thead role="rowgroup">
        <tr role="row">
          <th scope="col" role="columnheader">Release</th>
          <th scope="col" role="columnheader">State</th>
          ${architectures.map((arch) => html`<th scope="col" role="columnheader">${arch}</th>`)}
          <th scope="col" role="columnheader">Took</th>
          <th scope="col" role="columnheader">When</th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${shown.map(
          (release) =>
            html`<tr role="row" id="row-${line(release.release)}">
              <th scope="row" role="rowheader">
                <a href="${releaseAddress(release.release)}">${line(release.release)}</a>
              </th>
              <td role="cell" class="state">${releaseBadges(state, release)}</td>
              ${architectures.map(
                (arch) => html`<td role="cell" data-head="${arch}">${outcomeOf(release, arch, now)}</td>`,
              )}
              <td role="cell" data-head="took">
                ${release.durationMs === undefined ? '–' : roughly(release.durationMs)}
              </td>
              <td role="cell" data-head="when">${relative(release.openedAt, now)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </section>`
}

/** One sign, how long it took, and the strip of its steps. */
function outcomeOf(release: ReleaseState, arch: ArchitectureName, now: number): Markup {
  if (!release.builds.some((build) => build.arch === arch)) return html`–`
  const cells = cellsOf(release, arch, now)
  const failed = cells.filter(({ state }) => state === 'failed').map(({ step }) => step)
  const took = architectureMs(release, arch, now)
  const sign = failed.length > 0 ? 'failed' : cells.every(isOver) ? 'done' : 'partly'
  const words = failed.length > 0 ? `${failed.join(', ')} failed` : sign === 'done' ? 'done' : 'not complete'
  return html`<span class="outcome"
    >${mark(sign)}${spoken(words)}
    <span class="took">${took === undefined ? '' : roughly(took)}</span>${strip(cells)}</span
  >`
}

function isOver({ state }: { state: string }): boolean {
  return state === 'done' || state === 'not needed'
}

function strip(cells: ReturnType<typeof cellsOf>): Markup {
  return html`<svg class="strip" viewBox="0 0 62 5" aria-hidden="true" focusable="false">
    ${cells.map(
      ({ mark: sign }, index) => html`<rect class="is-${sign}" x="${index * 7}" width="6" height="5" />`,
    )}
  </svg>`
}
