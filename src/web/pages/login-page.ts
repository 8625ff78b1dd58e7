import { html } from 'hono/html'
import { frame } from './frame.ts'
import type { Markup } from './markup.ts'

export interface LoginFacts {
  /** The path that it leads to, one of ours. */
  next: string
  failed: boolean
  nonce: string | undefined
}

/** Asks for the token. */
export function loginPage({ next, failed, nonce }: LoginFacts): Markup {
  return frame(
    { title: 'Log in · image factory', nonce },
    html`<main class="alone card">
      <h1>Image factory</h1>
      <form method="post" action="/login">
        <input type="hidden" name="next" value="${next}" />
        <label for="token">Token, as <code>factory serve</code> showed it at its first start</label>
        <input
          id="token"
          name="token"
          type="password"
          autocomplete="current-password"
          required
          autofocus
          ${failed ? html`aria-invalid="true" aria-describedby="wrong"` : ''}
        />
        ${failed ? html`<p id="wrong" class="wrong" role="alert">This is not the token.</p>` : ''}
        <button class="primary">Log in</button>
      </form>
    </main>`,
  )
}
