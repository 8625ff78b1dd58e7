import { html } from 'hono/html'
import type { ArchitectureName } from '#arch/index.ts'
import type { FactoryState, ReleaseState } from '#src/journal/replay.ts'
import { formatDuration } from '#src/units.ts'
import type { Serving } from '../types.ts'
import { failuresOf } from './failures.ts'
import type { Live } from './live.ts'
import { logTail } from './log-tail.ts'
import { type Markup, badge, line, relative, spoken } from './markup.ts'
import { stepGrid } from './step-grid.ts'
import { type ReleaseWord, cellsOf, wordOf } from './steps.ts'

export function releaseAddress(release: string): string {
  return `/releases/${encodeURIComponent(release)}`
}

/** Name, state and age; `id` is for what the heading labels. */
export function releaseTitle(serving: Serving, release: ReleaseState, id: string): Markup {
  const now = serving.now()
  const took = release.durationMs === undefined ? '' : html` · took ${formatDuration(release.durationMs)}`
  return html`<div class="head">
    <h2 id="${id}"><a href="${releaseAddress(release.release)}">${line(release.release)}</a></h2>
    ${releaseBadges(serving.state(), release)}
    <p class="meta">began ${relative(release.openedAt, now)}${took}</p>
  </div>`
}

const badgeOf: Record<ReleaseWord, Parameters<typeof badge>[0]> = {
  running: 'busy',
  'cut off': 'warn',
  done: 'good',
  partial: 'warn',
  failed: 'bad',
  interrupted: 'warn',
}

/** What became of a release, which channels point to it, and what people chose. */
export function releaseBadges(state: FactoryState, release: ReleaseState): Markup {
  const { candidate, promoted, previous } = state.channels
  const name = release.release
  const word = wordOf(release, state)
  return html`<span class="badges"
    >${badge(badgeOf[word], word)} ${promoted?.release === name ? badge('good', 'promoted') : ''}
    ${previous?.release === name ? badge('plain', 'previous') : ''}
    ${candidate === name ? badge('busy', 'candidate') : ''} ${release.pinned ? badge('plain', 'pinned') : ''}
    ${release.ignored ? badge('plain', 'ignored') : ''}</span
  >`
}

/** The grid of steps, failures and warnings; while it runs, how far each architecture is, with the end of its log. */
export async function releaseWork(serving: Serving, release: ReleaseState, live: Live): Promise<Markup> {
  const now = serving.now()
  const running = wordOf(release, serving.state()) === 'running'
  const architectures = release.builds.map(({ arch }) => arch)
  const tails = running
    ? await Promise.all(architectures.map((arch) => logTail(serving, release, arch, live)))
    : []
  return html`${spokenState(release, running, architectures, now)} ${stepGrid(release, now, live)}
  ${failuresOf(release)} ${warningsOf(release, live)}
  ${tails.length === 0 ? '' : html`<div class="tails">${tails}</div>`}`
}

/** Changes when a step does, not with every byte: it is read out. */
function spokenState(
  release: ReleaseState,
  running: boolean,
  architectures: readonly ArchitectureName[],
  now: number,
): Markup {
  const steps = architectures.flatMap((arch) =>
    cellsOf(release, arch, now)
      .filter(({ state }) => state === 'running' || state === 'failed')
      .map(({ step, state }) => `${arch} ${step} ${state}`),
  )
  const state = running ? 'is being made' : (release.outcome ?? 'was cut off')
  return html`<p class="spoken" aria-live="polite" id="state">
    Release ${line(release.release)} ${state}. ${steps.join(', ')}
  </p>`
}

function warningsOf(release: ReleaseState, live: Live): Markup {
  const warnings = live.warnings(release.release)
  if (warnings.length === 0) return html``
  return html`<ul class="notes">
    ${warnings.map(
      ({ message, hint, arch }) =>
        html`<li class="is-warn">
          ${spoken('Warning: ')}${arch === undefined ? '' : html`<b>${arch}</b> `}${line(message)}
          ${hint === undefined ? '' : html`<span class="hint">${line(hint)}</span>`}
        </li>`,
    )}
  </ul>`
}
