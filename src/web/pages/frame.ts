import { html } from 'hono/html'
import { assetAddress } from './assets.ts'
import type { Markup } from './markup.ts'

export interface Frame {
  title: string
  /** Without it nothing runs and nothing is styled. */
  nonce: string | undefined
  /** Whether the page is brought up to date while one looks. */
  live?: boolean
}

/** The document around whatever is shown. */
export function frame({ title, nonce, live = false }: Frame, body: Markup): Markup {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <title>${title}</title>
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <link rel="icon" href="${assetAddress('icon.svg')}" type="image/svg+xml" />
        <link rel="stylesheet" href="${assetAddress('page.css')}" nonce="${nonce}" />
        ${live ? html`<script src="${assetAddress('page.js')}" nonce="${nonce}" defer></script>` : ''}
      </head>
      <body>
        ${body}
      </body>
    </html>`
}
