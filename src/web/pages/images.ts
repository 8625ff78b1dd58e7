import { html } from 'hono/html'
import type { Decision } from '#src/journal/decisions.ts'
import type { ReleaseState } from '#src/journal/replay.ts'
import type { ListedImage } from '#src/release/images.ts'
import type { Serving } from '../types.ts'
import { choicesOf, inUse } from './choices.ts'
import { imageTable } from './image-table.ts'
import { type Markup, count, line, relative } from './markup.ts'
import { releaseAddress, releaseBadges } from './release-work.ts'

const openReleases = 3

/** Every image of every release, to choose from; of older releases that nobody uses the tables are folded. */
export function imagesPage(serving: Serving, csrf: string): Markup {
  const groups = Map.groupBy(serving.images(), ({ release }) => release)
  const { releases } = serving.state()
  const sections = [...groups].flatMap(([name, images], index) => {
    const release = releases.find((one) => one.release === name)
    return release ? [releaseSection(serving, release, { images, csrf, newest: index < openReleases })] : []
  })
  return html`<h1>Images</h1>
    ${inUse(serving, csrf)}
    ${sections.length === 0 ? html`<p class="empty">No images yet: a release makes them.</p>` : sections}`
}

function releaseSection(
  serving: Serving,
  release: ReleaseState,
  { images, csrf, newest }: { images: readonly ListedImage[]; csrf: string; newest: boolean },
): Markup {
  const name = release.release
  const { candidate, promoted, previous } = serving.state().channels
  const used =
    [candidate, promoted?.release, previous?.release].includes(name) || release.pinned !== undefined
  const table = imageTable(serving, images, `Images of release ${line(name)}`)
  return html`<section class="card" id="release-${line(name)}" aria-labelledby="title-${line(name)}">
    <div class="head">
      <h2 id="title-${line(name)}"><a href="${releaseAddress(name)}">${line(name)}</a></h2>
      ${releaseBadges(serving.state(), release)}
      <p class="meta">${relative(release.openedAt, serving.now())}</p>
    </div>
    ${decisionsOf(serving, release)}
    ${
      used || newest
        ? table
        : html`<details>
            <summary>${count(images.length, 'image')}</summary>
            ${table}
          </details>`
    }
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
