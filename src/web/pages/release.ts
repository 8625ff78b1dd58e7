import { html } from 'hono/html'
import type { ReleaseState } from '#src/journal/replay.ts'
import { formatDuration } from '#src/units.ts'
import type { Serving } from '../types.ts'
import { choicesOf } from './choices.ts'
import { costSection } from './cost.ts'
import { imageTable } from './image-table.ts'
import { decisionsOf } from './images.ts'
import type { Live } from './live.ts'
import { manifestAddress } from './manifest.ts'
import { type Markup, line, moment, relative } from './markup.ts'
import { releaseBadges, releaseWork } from './release-work.ts'
import { stepTable } from './step-table.ts'

/** One release whole: why it was made, how it went, what came of it and what it cost. */
export async function releasePage(
  serving: Serving,
  release: ReleaseState,
  live: Live,
  csrf: string,
): Promise<Markup> {
  const name = release.release
  const images = serving.images().filter((image) => image.release === name)
  return html`<div class="head">
      <h1>Release ${line(name)}</h1>
      ${releaseBadges(serving.state(), release)}
    </div>
    ${facts(serving, release)} ${decisionsOf(serving, release)}
    ${choicesOf(serving, release, csrf, 'release')}
    <section class="card" aria-labelledby="work">
      <h2 id="work">Steps</h2>
      ${await releaseWork(serving, release, live)} ${stepTable(release)}
    </section>
    <section class="card" aria-labelledby="images">
      <h2 id="images">Images</h2>
      ${
        images.length === 0
          ? html`<p class="empty">None was published.</p>`
          : imageTable(serving, images, `Images of release ${line(name)}`)
      }
    </section>
    ${costSection(serving, release)}`
}

function facts(serving: Serving, release: ReleaseState): Markup {
  const { openedAt, durationMs, key, index } = release
  const whys = Map.groupBy(release.builds, ({ why }) => why)
  const asked = askedBy(serving, release.release)
  return html`<dl class="facts">
    <div>
      <dt>Began</dt>
      <dd>${moment(openedAt)}, ${relative(openedAt, serving.now())}</dd>
    </div>
    ${
      durationMs === undefined
        ? ''
        : html`<div>
            <dt>Took</dt>
            <dd>${formatDuration(durationMs)}</dd>
          </div>`
    }
    <div>
      <dt>Why</dt>
      <dd>
        ${[...whys].map(
          ([why, builds]) =>
            html`<p>${line(why)} <span class="meta">${builds.map(({ arch }) => arch).join(', ')}</span></p>`,
        )}
        ${asked === undefined ? '' : html`<p class="meta">${asked}</p>`}
      </dd>
    </div>
    ${
      index === undefined
        ? ''
        : html`<div>
            <dt>Container</dt>
            <dd><code class="id">${line(`${index.reference}@${index.digest}`)}</code></dd>
          </div>`
    }
    <div>
      <dt>Key</dt>
      <dd><code class="id">${line(key.slice(0, 16))}</code></dd>
    </div>
    <div>
      <dt>For programs</dt>
      <dd><a href="${manifestAddress(release.release)}">release.json</a></dd>
    </div>
  </dl>`
}

/** The rule, or the person, that asked for it. */
function askedBy(serving: Serving, release: string): string | undefined {
  for (const [name, { ticks }] of serving.state().rules) {
    const tick = ticks.findLast((one) => one.release === release)
    if (tick) return `${line(name)}: ${line(tick.why)}`
  }
  return undefined
}
