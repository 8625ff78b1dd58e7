import { html } from 'hono/html'
import { frame } from './frame.ts'
import type { Markup } from './markup.ts'

export interface LoginFacts {
  /** The path that it leads to, one of ours. */
  next: string
  /** What was filled in before. */
  name: string
  /** What has to be filled in again. */
  wrong?: 'token' | 'name'
  nonce: string | undefined
}

/** Characters of a name. */
export const longestName = 60

/** Asks for the token, and who it is. */
export function loginPage({ next, name, wrong, nonce }: LoginFacts): Markup {
  return frame(
    { title: 'Log in · image factory', nonce },
    html`<main class="alone card">
      <h1>Image factory</h1>
      <form method="post" action="/login">
        <input type="hidden" name="next" value="${next}" />
        <label for="name">Your name, for what you choose</label>
        <input
          id="name"
          name="name"
          type="text"
          autocomplete="username"
          maxlength="${longestName}"
          value="${name}"
          required
          autofocus
          ${invalidOf(wrong === 'name')}
        />
        <label for="token">Token, as <code>factory serve</code> showed it at its first start</label>
        <input
          id="token"
          name="token"
          type="password"
          autocomplete="current-password"
          required
          ${invalidOf(wrong === 'token')}
        />
        ${wrong === undefined ? '' : html`<p id="wrong" class="wrong" role="alert">${complaints[wrong]}</p>`}
        <button class="primary">Log in</button>
      </form>
    </main>`,
  )
}

const complaints = {
  token: 'This is not the token.',
  name: 'Say who you are: it stands with what you choose.',
}

function invalidOf(isWrong: boolean): Markup | string {
  return isWrong ? html`aria-invalid="true" aria-describedby="wrong"` : ''
}
