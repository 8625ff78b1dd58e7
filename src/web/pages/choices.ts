import { html } from 'hono/html'
import type { ReleaseState } from '#src/journal/replay.ts'
import { judge } from '#src/release/outcome.ts'
import type { Serving } from '../types.ts'
import { type Markup, line } from './markup.ts'

/** Where a form leads back to. */
type Back = 'images' | 'release'

/** Promote, ignore, pin, with a field for the reason; what only force can promote says so and wants one. */
export function choicesOf(serving: Serving, release: ReleaseState, csrf: string, back: Back): Markup {
  const { channels } = serving.state()
  const name = release.release
  const path = `/releases/${encodeURIComponent(name)}`
  const id = `why-${name}`
  const doubts = doubtsOf(serving, release)
  const pinned = release.pinned !== undefined
  const promote =
    channels.promoted?.release === name
      ? ''
      : html`<button
          type="submit"
          class="${doubts === undefined ? 'primary' : 'risky'}"
          formaction="${path}/promote"
        >
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
      ${doubts ? html`aria-describedby="doubts-${name}"` : ''}
    />
    <span class="buttons">
      ${promote}
      ${release.ignored ? '' : html`<button type="submit" formaction="${path}/ignore">Ignore</button>`}
      <button type="submit">${pinned ? 'Unpin' : 'Pin'}</button>
    </span>
    ${
      doubts === undefined
        ? ''
        : html`<input type="hidden" name="force" value="yes" />
            <p class="hint" id="doubts-${name}">
              ${doubts}${promote === '' ? '' : ' To promote it nevertheless, say why.'}
            </p>`
    }
  </form>`
}

/** Back to what was promoted before. */
export function rollbackForm(serving: Serving, csrf: string): Markup {
  const { promoted, previous } = serving.state().channels
  if (!previous) return html``
  return html`<form class="choose" method="post" action="/rollback" aria-label="Roll back">
    <input type="hidden" name="csrf" value="${csrf}" />
    <input type="hidden" name="back" value="images" />
    <label for="why-rollback">Why</label>
    <input id="why-rollback" name="why" type="text" maxlength="500" autocomplete="off" />
    <span class="buttons"><button type="submit">Roll back to ${line(previous.release)}</button></span>
    <p class="hint">
      Promoted is ${line(promoted?.release ?? 'nothing')}; ${line(previous.release)} was before it.
    </p>
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
