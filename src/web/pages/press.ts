import { html } from 'hono/html'
import type { Serving } from '../types.ts'
import { type Markup, line } from './markup.ts'

/** The one button. */
export function pressForm({ configuration }: Serving, csrf: string): Markup {
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
  </form>`
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
