import { html } from 'hono/html'
import { frame } from './frame.ts'
import { type Markup, line, lines } from './markup.ts'

export interface RefusalFacts {
  code: string
  message: string
  hint?: string
  nonce: string | undefined
}

/** For a person whose request was not taken: why, and what to do. */
export function refusalPage({ code, message, hint, nonce }: RefusalFacts): Markup {
  return frame(
    { title: 'Not done · image factory', nonce },
    html`<main class="alone card">
      <h1>This was not done</h1>
      <p class="said">${lines(message)}</p>
      ${hint === undefined ? '' : html`<p class="hint">${lines(hint)}</p>`}
      <p><code>${line(code)}</code></p>
      <p><a href="/">To the releases</a></p>
    </main>`,
  )
}
