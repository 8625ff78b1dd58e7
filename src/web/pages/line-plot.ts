import { html } from 'hono/html'
import { type Markup, line } from './markup.ts'

export interface Series {
  name: string
  /** One a label; undefined where there is none. */
  values: readonly (number | undefined)[]
}

export interface PlotFacts {
  id: string
  title: string
  /** Along the horizontal axis, oldest first. */
  labels: readonly string[]
  series: readonly Series[]
  /** What stands at the lines of the vertical axis: round numbers, from 0 to the highest value or above. */
  ticks: readonly number[]
  format(value: number): string
}

const frame = { left: 58, right: 350, top: 10, bottom: 150, width: 360, height: 176 }

/** Lines from the axis at 0 up, with a sign of its own for each series; the table with the numbers stands elsewhere. */
export function linePlot({ id, title, labels, series, ticks, format }: PlotFacts): Markup {
  const top = ticks.at(-1) ?? 1
  const step = (frame.right - frame.left - 16) / Math.max(1, labels.length - 1)
  const x = (index: number) =>
    round(labels.length === 1 ? (frame.left + frame.right) / 2 : frame.left + 8 + index * step)
  const y = (value: number) => round(frame.bottom - (value / top) * (frame.bottom - frame.top))
  const ends = labels.length < 2 ? labels : [labels[0] ?? '', labels.at(-1) ?? '']
  return html`<svg
    class="plot"
    viewBox="0 0 ${frame.width} ${frame.height}"
    role="img"
    aria-labelledby="${id}"
  >
    <title id="${id}">${title}</title>
    ${ticks.map(
      (tick) =>
        html`<line class="rule" x1="${frame.left}" x2="${frame.right}" y1="${y(tick)}" y2="${y(tick)}" />
          <text class="tick" x="${frame.left - 6}" y="${y(tick) + 4}" text-anchor="end"
            >${format(tick)}</text
          >`,
    )}
    ${series.map(
      ({ name, values }, number) =>
        html`<g class="series-${number % 4}">
          ${runs(values).map(
            (run) =>
              html`<polyline points="${run.map(([index, value]) => `${x(index)},${y(value)}`).join(' ')}" />`,
          )}
          ${values.map((value, index) =>
            value === undefined
              ? ''
              : html`<g transform="translate(${x(index)} ${y(value)})">
                  <title>${line(labels[index] ?? '')} ${name}: ${format(value)}</title>
                  ${sign(number)}
                </g>`,
          )}
        </g>`,
    )}
    ${ends.map(
      (label, index) =>
        html`<text
          class="tick"
          x="${x(index === 0 ? 0 : labels.length - 1)}"
          y="${frame.height - 8}"
          text-anchor="${ends.length === 1 ? 'middle' : index === 0 ? 'start' : 'end'}"
        >
          ${line(label)}
        </text>`,
    )}
  </svg>`
}

/** The signs that tell the lines apart, whatever their colours look like. */
export function legend(names: readonly string[]): Markup {
  return html`<ul class="legend">
    ${names.map(
      (name, number) =>
        html`<li>
          <svg class="series-${number % 4}" viewBox="-8 -6 16 12" aria-hidden="true" focusable="false">
            <polyline points="-8,0 8,0" />
            ${sign(number)}
          </svg>
          ${name}
        </li>`,
    )}
  </ul>`
}

function sign(number: number): Markup {
  const signs = [
    html`<circle r="3.2" />`,
    html`<rect x="-3" y="-3" width="6" height="6" />`,
    html`<path d="M0 -4L4 3H-4z" />`,
    html`<path d="M0 -4.2L4.2 0 0 4.2 -4.2 0z" />`,
  ]
  return signs[number % signs.length] ?? html``
}

/** The stretches without a gap. */
function runs(values: readonly (number | undefined)[]): (readonly [index: number, value: number])[][] {
  const found: [number, number][][] = [[]]
  for (const [index, value] of values.entries()) {
    if (value === undefined) found.push([])
    else found.at(-1)?.push([index, value])
  }
  return found.filter((run) => run.length > 1)
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
