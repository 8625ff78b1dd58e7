import { html } from 'hono/html'
import { formatPrices, sumOf } from '#src/cost.ts'
import type { LeaseState } from '#src/journal/leases.ts'
import { costOf } from '#src/release/release-cost.ts'
import type { Serving } from '../types.ts'
import { type Markup, badge, line, relative } from './markup.ts'
import { releaseAddress } from './release-work.ts'

/** Machines that are rented right now, with what each has cost so far. */
export function rentedSection(serving: Serving): Markup {
  const now = serving.now()
  const rented = serving
    .state()
    .leases.filter(({ released, expires }) => !released && Date.parse(expires) > now)
  const spent = sumOf(rented.flatMap((lease) => costSoFar(serving, lease).amounts))
  return html`<section class="card" aria-labelledby="rented">
    <div class="head">
      <h2 id="rented">Builders</h2>
      ${spent.length === 0 ? '' : html`<p class="meta">${formatPrices(spent)} so far</p>`}
    </div>
    ${
      rented.length === 0
        ? html`<p class="empty">No machine is rented.</p>`
        : html`<ul class="rented">
            ${rented.map((lease) => rentedItem(serving, lease, now))}
          </ul>`
    }
  </section>`
}

function rentedItem(serving: Serving, taken: LeaseState, now: number): Markup {
  const { lease, ref, cloud, purpose, kept, takenAt, expires } = taken
  const { amounts, missing } = costSoFar(serving, taken)
  const what = ref?.rates?.map((rate) => line(rate.what)).join(', ')
  return html`<li id="lease-${line(lease.id)}">
    <p>
      <b>${lease.arch}</b> ${purpose === 'verify' ? 'verifies' : 'builds'} for
      <a href="${releaseAddress(lease.release)}">${line(lease.release)}</a> on ${line(cloud)}
      ${kept ? badge('warn', 'kept') : ''}
    </p>
    <p class="meta">
      <code>${line(ref?.machine ?? lease.id)}</code>${what ? html` · ${what}` : ''} ·
      ${ref ? html`since ${relative(takenAt, now)}` : html`asked for ${relative(takenAt, now)}`} · lease ends
      ${relative(Date.parse(expires), now)} · ${amounts.length === 0 ? 'no price' : formatPrices(amounts)}
    </p>
    ${
      missing.length === 0 || amounts.length === 0
        ? ''
        : html`<p class="hint">not counted: ${missing.map(line).join('; ')}</p>`
    }
  </li>`
}

function costSoFar(serving: Serving, taken: LeaseState) {
  const { release, arch } = taken.lease
  const nothing = { images: [], artifacts: [], clouds: serving.clouds }
  const cost = costOf({ release, arch, leases: [taken], now: serving.now(), ...nothing })
  return { amounts: cost['machines-total'], missing: cost['not-counted'] }
}
