import { html } from 'hono/html'
import { formatPrices, pricesOf, sumOf } from '#src/cost.ts'
import type { ListedImage } from '#src/release/images.ts'
import { formatBytes } from '#src/units.ts'
import type { Serving } from '../types.ts'
import { type Markup, badge, line, relative } from './markup.ts'

/** Every image of a release, one a line; on a phone one a block. */
export function imageTable(serving: Serving, images: readonly ListedImage[], label: string): Markup {
  const heads = ['Architecture', 'Where', 'Id', 'State', 'Verified', 'Size', 'A month', 'Age']
  return html`<table class="list stacked images" role="table" aria-label="${label}">
    <thead role="rowgroup">
      <tr role="row">
        ${heads.map((head) => html`<th scope="col" role="columnheader">${head}</th>`)}
      </tr>
    </thead>
    <tbody role="rowgroup">
      ${images.map((image) => imageRow(serving, image))}
    </tbody>
  </table>`
}

function imageRow(serving: Serving, image: ListedImage): Markup {
  const { arch, cloud, region, id, name, format, state, verified, sizeBytes, publishedAt } = image
  const month = monthOf(serving, image)
  const verdicts = { passed: 'good', failed: 'bad', 'not verified': 'plain' } as const
  return html`<tr role="row">
    <th scope="row" role="rowheader">${arch}</th>
    <td role="cell" data-head="where">${line(cloud)} <span class="meta">${line(region)}</span></td>
    <td role="cell" data-head="id">
      <code class="id">${line(id)}</code>
      <button type="button" class="copy" data-copy="${line(id)}" aria-label="Copy ${line(id)}" hidden>
        Copy
      </button>
      ${id.includes(name) ? '' : html`<span class="meta name">${line(name)}</span>`}
    </td>
    <td role="cell" data-head="state">${line(state)}</td>
    <td role="cell" data-head="verified">${badge(verdicts[verified], verified)}</td>
    <td role="cell" data-head="size">${formatBytes(sizeBytes)} <span class="meta">${format}</span></td>
    <td role="cell" class="${month === undefined ? 'none' : 'month'}">${month ?? '–'}</td>
    <td role="cell" data-head="age">${relative(Date.parse(publishedAt), serving.now())}</td>
  </tr>`
}

/** What it costs a month, where its cloud has a price for it. */
function monthOf({ clouds, state }: Serving, { cloud, region, sha256 }: ListedImage): string | undefined {
  const artifact = [...state().collected.values()]
    .flatMap(({ artifacts }) => artifacts)
    .find((one) => one.sha256 === sha256)
  const rate = artifact && clouds.get(cloud)?.images?.rate?.(region, artifact.contentBytes)
  const prices = sumOf(pricesOf(rate && [rate]))
  return prices.length === 0 ? undefined : formatPrices(prices)
}
