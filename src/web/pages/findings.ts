import { html } from 'hono/html'
import type { Finding } from '#clouds/types.ts'
import { visible } from '#src/ui/visible.ts'
import type { Serving } from '../types.ts'
import { type Markup, count, line, lines, mark, relative, spoken } from './markup.ts'

/** What `doctor` says: troubles first and whole, what is in order only counted. */
export function findingsSection(serving: Serving): Markup {
  const findings = serving.findings()
  return html`<section class="card" aria-labelledby="findings">
    <div class="head">
      <h2 id="findings">Doctor</h2>
      ${findings ? html`<p class="meta">looked ${relative(findings.at, serving.now())}</p>` : ''}
    </div>
    ${findings ? found(findings.found) : html`<p class="empty">It has not looked yet.</p>`}
  </section>`
}

function found(all: readonly Finding[]): Markup {
  const bad = (['error', 'warning'] as const).flatMap((severity) =>
    all.filter((finding) => finding.severity === severity),
  )
  const fine = all.filter(({ severity }) => severity === 'ok')
  return html`${
    bad.length === 0
      ? html`<p>${mark('done')} Nothing stands in the way.</p>`
      : html`<ul class="notes">
          ${bad.map(trouble)}
        </ul>`
  }
  ${
    fine.length === 0
      ? ''
      : html`<details>
          <summary>${count(fine.length, 'thing')} in order</summary>
          <ul class="plain">
            ${fine.map(({ subject, message }) => html`<li><b>${line(subject)}</b> ${line(message)}</li>`)}
          </ul>
        </details>`
  }`
}

function trouble({ severity, subject, message, hint, paste }: Finding): Markup {
  return html`<li class="is-${severity === 'error' ? 'bad' : 'warn'}">
    <p>
      ${mark(severity === 'error' ? 'failed' : 'partly')}${spoken(`${severity}: `)} <b>${line(subject)}</b>
    </p>
    <p class="said">${lines(message)}</p>
    ${hint === undefined ? '' : html`<p class="hint">${lines(hint)}</p>`}
    ${
      paste === undefined
        ? ''
        : html`<details>
            <summary>To paste</summary>
            <pre class="paste" tabindex="0" role="region" aria-label="To paste for ${line(subject)}">
${visible(paste)}</pre>
          </details>`
    }
  </li>`
}
