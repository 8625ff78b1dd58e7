import { html } from 'hono/html'
import type { Decision } from '#src/journal/decisions.ts'
import type { ReleaseState } from '#src/journal/replay.ts'
import type { ListedImage } from '#src/release/images.ts'
import type { Serving } from '../types.ts'
import { choicesOf, rollbackForm } from './choices.ts'
import { imageTable } from './image-table.ts'
import { type Markup, line, relative } from './markup.ts'
import { releaseAddress, releaseBadges } from './release-work.ts'

/** Every image of every release, to choose from. */
export function imagesPage(serving: Serving, csrf: string): Markup {
  const groups = Map.groupBy(serving.images(), ({ release }) => release)
  const { releases } = serving.state()
  const sections = [...groups].flatMap(([name, images]) => {
    const release = releases.find((one) => one.release === name)
    return release ? [releaseSection(serving, release, images, csrf)] : []
  })
  return html`<h1>Images</h1>
    ${rollbackForm(serving, csrf)}
    ${sections.length === 0 ? html`<p class="empty">No images yet: a release makes them.</p>` : sections}`
}

function releaseSection(
  serving: Serving,
  release: ReleaseState,
  images: readonly ListedImage[],
  csrf: string,
): Markup {
  const name = release.release
  return html`<section class="card" id="release-${name}" aria-labelledby="title-${name}">
    <div class="head">
      <h2 id="title-${name}"><a href="${releaseAddress(name)}">${line(name)}</a></h2>
      ${releaseBadges(serving.state(), release)}
      <p class="meta">${relative(release.openedAt, serving.now())}</p>
    </div>
    ${decisionsOf(serving, release)} ${imageTable(serving, images, `Images of release ${name}`)}
    ${choicesOf(serving, release, csrf, 'images')}
  </section>`
}

/** Who chose what about the release, and why. */
export function decisionsOf(serving: Serving, release: ReleaseState): Markup {
  const { promoted, previous } = serving.state().channels
  const now = serving.now()
  const texts = [
    promoted?.release === release.release ? decisionText('Promoted', promoted, now) : '',
    previous?.release === release.release ? decisionText('Promoted before', previous, now) : '',
    release.ignored ? decisionText('Ignored', release.ignored, now) : '',
    release.pinned ? decisionText('Pinned', release.pinned, now) : '',
  ].filter((text) => text !== '')
  return texts.length === 0 ? html`` : html`<div class="decisions">${texts}</div>`
}

function decisionText(what: string, { at, by, why, forced }: Decision, now: number): Markup {
  return html`<p class="meta">
    ${what}
    ${relative(at, now)}${by === undefined ? '' : ` by ${line(by)}`}${forced ? ', forced' : ''}${
      why === undefined ? '' : html`: <q>${line(why)}</q>`
    }
  </p>`
}
