import { html } from 'hono/html'
import { type Frame, frame } from './frame.ts'
import { type Markup, mark } from './markup.ts'
import type { Told } from './told.ts'

export interface PageFacts extends Frame {
  imageName: string
  /** Of the navigation; absent on pages that are not in it. */
  here?: 'overview' | 'images'
  /** What became of what was pressed before. */
  told?: Told | undefined
  /** Absent without a session. */
  csrf?: string
}

/** A whole page. What stands in `main` is brought up to date by the script, the rest stays. */
export function layout({ title, imageName, here, told, csrf, nonce }: PageFacts, main: Markup): Markup {
  const link = (name: 'overview' | 'images', path: string, text: string) =>
    html`<a href="${path}" ${here === name ? html`aria-current="page"` : ''}>${text}</a>`
  return frame(
    { title: `${title} · ${imageName}`, nonce, live: true },
    html`<a class="skip" href="#main">To the content</a>
      <header class="top">
        <p class="brand"><a href="/">Image factory</a> <span>${imageName}</span></p>
        <nav aria-label="Pages">
          ${link('overview', '/', 'Releases')} ${link('images', '/images', 'Images')}
        </nav>
        <p class="line" id="line" role="status"><noscript>Reload to see what is new.</noscript></p>
        ${csrf ? logout(csrf) : ''}
      </header>
      <div id="told">${told ? toldText(told) : ''}</div>
      <main id="main" tabindex="-1">${main}</main>`,
  )
}

function logout(csrf: string): Markup {
  return html`<form method="post" action="/logout">
    <input type="hidden" name="csrf" value="${csrf}" />
    <button type="submit" class="quiet">Log out</button>
  </form>`
}

function toldText({ ok, message, hint, code }: Told): Markup {
  return html`<div class="told is-${ok ? 'good' : 'bad'}" role="${ok ? 'status' : 'alert'}">
    ${mark(ok ? 'done' : 'failed')}
    <div>
      <p>${message} ${code === undefined ? '' : html`<code>${code}</code>`}</p>
      ${hint === undefined ? '' : html`<p class="hint">${hint}</p>`}
    </div>
  </div>`
}
