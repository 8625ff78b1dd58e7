import { html } from 'hono/html'
import { type Markup, line } from './markup.ts'

/** There is no such release. */
export function missingPage(name: string): Markup {
  return html`<h1>There is no release ${line(name)}</h1>
    <p>Those that there are stand under <a href="/">Releases</a>.</p>`
}
