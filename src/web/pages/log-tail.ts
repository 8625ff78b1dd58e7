import { html } from 'hono/html'
import type { ArchitectureName } from '#arch/index.ts'
import type { ReleaseState } from '#src/journal/replay.ts'
import { visible } from '#src/ui/visible.ts'
import type { Serving } from '../types.ts'
import type { Live } from './live.ts'
import { type Markup, line } from './markup.ts'

const tailLines = 60

/** What one architecture does right now, and the end of its log. Its height stays, whatever comes. */
export async function logTail(
  serving: Serving,
  release: ReleaseState,
  arch: ArchitectureName,
  live: Live,
): Promise<Markup> {
  const id = `tail-${arch}`
  const log = await serving.logTail(release.release, arch, tailLines)
  const running = release.steps.filter((step) => step.arch === arch && step.state === 'running')
  return html`<section class="tail" aria-labelledby="${id}">
    <h3 id="${id}">${arch}</h3>
    ${
      running.length === 0
        ? html`<p class="news">${idle(release, arch)}</p>`
        : running.map((step) => {
            const news = live.news(step, step.startedAt)
            const where = step.target === undefined ? '' : ` ${line(step.target)}`
            return html`<p class="news"><b>${step.step}</b>${where} <span>${news?.text ?? ''}</span></p>
              <progress
                max="100"
                ${news?.fraction === undefined ? '' : html`value="${Math.floor(news.fraction * 100)}"`}
                aria-label="${arch} ${step.step}${where}"
              ></progress>`
          })
    }
    <div class="log" tabindex="0" role="region" aria-label="End of the log of ${arch}">
      <pre>${visible(log.join('\n'))}</pre>
    </div>
  </section>`
}

function idle(release: ReleaseState, arch: ArchitectureName): string {
  const own = release.steps.filter((step) => step.arch === arch)
  if (own.some(({ state }) => state === 'failed')) return 'failed'
  return own.length === 0 ? 'waits for a builder' : 'nothing at the moment'
}
