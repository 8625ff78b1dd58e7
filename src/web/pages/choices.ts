import { html } from 'hono/html'
import type { ReleaseState } from '#src/journal/replay.ts'
import { judge } from '#src/release/outcome.ts'
import type { Serving } from '../types.ts'
import { type Markup, line, relative } from './markup.ts'
import { releaseAddress } from './release-work.ts'

/** Where a form leads back to. */
type Back = 'images' | 'release'

/** Promote, ignore, pin, with a field for the reason; what only force can promote says so and wants one. */
export function choicesOf(serving: Serving, release: ReleaseState, csrf: string, back: Back): Markup {
  const { channels } = serving.state()
  const name = release.release
  const path = `/releases/${encodeURIComponent(name)}`
  const id = `why-${line(name)}`
  const doubts = doubtsOf(serving, release)
  const pinned = release.pinned !== undefined
  const isPromoted = channels.promoted?.release === name
  const promote = isPromoted
    ? ''
    : html`<button type="submit" class="${promoteClass(serving, name, doubts)}" formaction="${path}/promote">
        ${doubts === undefined ? 'Promote' : 'Promote anyway'}
      </button>`
  return html`<form class="choose" method="post" action="${path}/pin" aria-label="Choices for ${line(name)}">
    <input type="hidden" name="csrf" value="${csrf}" />
    <input type="hidden" name="back" value="${back}" />
    <input type="hidden" name="pinned" value="${pinned ? 'no' : 'yes'}" />
    <label for="${id}">Why</label>
    <input
      id="${id}"
      name="why"
      type="text"
      maxlength="500"
      autocomplete="off"
      ${doubts ? html`aria-describedby="doubts-${line(name)}"` : ''}
    />
    <span class="buttons">
      ${promote}
      ${release.ignored || isPromoted ? '' : html`<button type="submit" formaction="${path}/ignore">Ignore</button>`}
      <button type="submit">${pinned ? 'Unpin' : 'Pin'}</button>
    </span>
    ${
      doubts === undefined
        ? ''
        : html`<input type="hidden" name="force" value="yes" />
            <p class="hint" id="doubts-${line(name)}">
              ${doubts}${promote === '' ? '' : ' To promote it nevertheless, say why.'}
            </p>`
    }
  </form>`
}

/** What is to be pressed next stands out, and what is to be thought about first. */
function promoteClass(serving: Serving, name: string, doubts: string | undefined): string {
  if (doubts !== undefined) return 'risky'
  return serving.state().channels.candidate === name ? 'primary' : ''
}

/** What is in use, and the way back to what was before it. */
export function inUse(serving: Serving, csrf: string): Markup {
  const { promoted, previous } = serving.state().channels
  return html`<section class="card" aria-labelledby="in-use">
    <h2 id="in-use">In use</h2>
    ${
      promoted
        ? html`<p>
            <a href="${releaseAddress(promoted.release)}">${line(promoted.release)}</a> was promoted
            ${relative(promoted.at, serving.now())}${promoted.by === undefined ? '' : ` by ${line(promoted.by)}`}${
              previous
                ? html`; before it was
                    <a href="${releaseAddress(previous.release)}">${line(previous.release)}</a>`
                : ''
            }.
          </p>`
        : html`<p class="empty">No release is promoted yet.</p>`
    }
    ${previous ? rollbackForm(previous.release, csrf) : ''}
  </section>`
}

function rollbackForm(previous: string, csrf: string): Markup {
  return html`<form class="choose" method="post" action="/rollback" aria-label="Roll back">
    <input type="hidden" name="csrf" value="${csrf}" />
    <input type="hidden" name="back" value="images" />
    <label for="why-rollback">Why</label>
    <input id="why-rollback" name="why" type="text" maxlength="500" autocomplete="off" />
    <span class="buttons"><button type="submit">Roll back to ${line(previous)}</button></span>
  </form>`
}

/** Why the release should not be promoted, in words. */
function doubtsOf({ configuration }: Serving, release: ReleaseState): string | undefined {
  const { promotable, missing } = judge(release, configuration.require)
  const reasons = [
    ...(release.outcome === undefined ? ['It is not closed.'] : []),
    ...(promotable ? [] : [`Not complete: ${missing.join(', ')}.`]),
    ...(release.images.some(({ verification }) => verification?.result !== 'passed')
      ? ['Not every image is verified.']
      : []),
    ...(release.ignored ? ['It is ignored.'] : []),
  ]
  return reasons.length === 0 ? undefined : reasons.join(' ')
}
