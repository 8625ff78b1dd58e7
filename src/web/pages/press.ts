import { html } from 'hono/html'
import type { Serving } from '../types.ts'
import { type Markup, line } from './markup.ts'
import { lastText } from './rules.ts'

/** The one button, and what came of it where no release shows that. */
export function pressForm(serving: Serving, csrf: string): Markup {
  const { configuration } = serving
  const clouds = [...new Set(configuration.publish.map(({ to }) => to))]
  return html`<form class="press" method="post" action="/releases">
    <input type="hidden" name="csrf" value="${csrf}" />
    <button class="primary" type="submit">Release now</button>
    <label class="check"
      ><input type="checkbox" name="force" value="yes" /> Build although nothing changed</label
    >
    <details>
      <summary>Only a part</summary>
      <div class="part">
        ${choices('Architectures', 'arch', configuration.architectures)} ${choices('Clouds', 'to', clouds)}
      </div>
      <p class="hint">Nothing ticked means all. A release of a part moves no channel.</p>
    </details>
    ${pressedNote(serving)}
  </form>`
}

function pressedNote(serving: Serving): Markup | string {
  const last = serving.rules().find(({ name }) => name === 'hand')?.last
  if (!last || last.outcome === 'released') return ''
  const newest = serving.state().releases.at(-1)
  if (newest && newest.openedAt >= last.at) return ''
  const isBad = last.outcome === 'failed'
  // The script of the page looks again soon while something is awaited: what fails before a release tells no event.
  return html`<div
    class="pressed${isBad ? ' notes is-bad' : ''}"
    ${last.outcome === undefined ? html`data-awaited` : ''}
  >
    ${lastText(last, serving.now())}
  </div>`
}

function choices(legend: string, name: string, values: readonly string[]): Markup {
  return html`<fieldset>
    <legend>${legend}</legend>
    ${values.map(
      (value) =>
        html`<label class="check"
          ><input type="checkbox" name="${name}" value="${value}" /> ${line(value)}</label
        >`,
    )}
  </fieldset>`
}
