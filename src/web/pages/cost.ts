import { html } from 'hono/html'
import { type Price, formatPrices, sumOf } from '#src/cost.ts'
import type { ReleaseState } from '#src/journal/replay.ts'
import { costOf } from '#src/release/release-cost.ts'
import { formatDuration } from '#src/units.ts'
import type { Serving } from '../types.ts'
import { type Markup, line } from './markup.ts'

/** What the release has cost and what keeping it costs, for each architecture; what is in no sum is named. */
export function costSection(serving: Serving, release: ReleaseState): Markup {
  const { leases, collected } = serving.state()
  const costs = release.builds.map(({ arch, buildKey }) => ({
    arch,
    cost: costOf({
      release: release.release,
      arch,
      leases,
      images: release.images,
      artifacts: collected.get(buildKey)?.artifacts ?? [],
      clouds: serving.clouds,
      now: serving.now(),
    }),
  }))
  const missing = [...new Set(costs.flatMap(({ cost }) => cost['not-counted']))]
  const totals = (key: 'machines-total' | 'storage-month') => sumOf(costs.flatMap(({ cost }) => cost[key]))
  return html`<section class="card" aria-labelledby="cost">
    <h2 id="cost">Cost</h2>
    <table class="numbers" aria-labelledby="cost">
      <thead>
        <tr>
          <th scope="col">Architecture</th>
          <th scope="col">Machines</th>
          <th scope="col">For</th>
          <th scope="col">Images / month</th>
        </tr>
      </thead>
      <tbody>
        ${costs.map(
          ({ arch, cost }) =>
            html`<tr>
              <th scope="row">${arch}</th>
              <td>${money(cost['machines-total'])}</td>
              <td>${formatDuration(cost.machines.reduce((sum, { seconds }) => sum + seconds * 1000, 0))}</td>
              <td>${money(cost['storage-month'])}</td>
            </tr>`,
        )}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row">All</th>
          <td>${money(totals('machines-total'))}</td>
          <td></td>
          <td>${money(totals('storage-month'))}</td>
        </tr>
      </tfoot>
    </table>
    ${missing.length === 0 ? '' : html`<p class="hint">Not counted: ${missing.map(line).join('; ')}</p>`}
  </section>`
}

function money(prices: readonly Price[]): string {
  return prices.length === 0 ? '–' : formatPrices(prices)
}
