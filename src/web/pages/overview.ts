import { html } from 'hono/html'
import type { Serving } from '../types.ts'
import { findingsSection } from './findings.ts'
import { rentedSection } from './rented.ts'
import type { Live } from './live.ts'
import type { Markup } from './markup.ts'
import { plotsSection } from './plots.ts'
import { pressForm } from './press.ts'
import { releaseList } from './release-list.ts'
import { releaseTitle, releaseWork } from './release-work.ts'
import { rulesSection } from './rules.ts'

/** What is being made now, what was made before, what comes next and what stands in the way. */
export async function overviewPage(serving: Serving, live: Live, csrf: string): Promise<Markup> {
  const { releases } = serving.state()
  const newest = releases.at(-1)
  return html`<h1>Releases</h1>
    ${pressForm(serving, csrf)}
    <div class="columns">
      <div>
        ${newest ? await newestSection(serving, newest, live) : html`<p class="empty">No release yet.</p>`}
        ${releaseList(serving)} ${plotsSection(serving)}
      </div>
      <div>${rulesSection(serving, csrf)} ${findingsSection(serving)} ${rentedSection(serving)}</div>
    </div>`
}

async function newestSection(
  serving: Serving,
  newest: ReturnType<Serving['state']>['releases'][number],
  live: Live,
): Promise<Markup> {
  return html`<section class="card" aria-labelledby="newest">
    ${releaseTitle(serving, newest, 'newest')} ${await releaseWork(serving, newest, live)}
  </section>`
}
