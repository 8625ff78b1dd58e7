import { html } from 'hono/html'
import type { ArchitectureName } from '#arch/index.ts'
import type { FactoryState, ReleaseState } from '#src/journal/replay.ts'
import { formatBytes, formatDuration } from '#src/units.ts'
import type { Serving } from '../types.ts'
import { type PlotFacts, type Series, legend, linePlot } from './line-plot.ts'
import { type Markup, line } from './markup.ts'
import { releaseAddress } from './release-work.ts'
import { architectureMs } from './steps.ts'
import { byteTicks, durationTicks } from './ticks.ts'

const plottedReleases = 20

/** How long the last releases took and how big their images are, for each architecture. */
export function plotsSection(serving: Serving): Markup {
  const state = serving.state()
  const releases = state.releases.filter(({ outcome }) => outcome !== undefined).slice(-plottedReleases)
  const architectures = serving.configuration.architectures
  const labels = releases.map(({ release }) => release)
  const seriesOf = (value: (release: ReleaseState, arch: ArchitectureName) => number | undefined): Series[] =>
    architectures.map((name) => ({ name, values: releases.map((release) => value(release, name)) }))
  const durations = seriesOf((release, arch) => finishedMs(release, arch))
  const sizes = seriesOf((release, arch) => contentBytes(state, release, arch))
  if (![...durations, ...sizes].some(({ values }) => values.some((value) => value !== undefined)))
    return html``
  return html`<section class="card" aria-labelledby="plots">
    <div class="head">
      <h2 id="plots">Over the releases</h2>
      ${legend(architectures)}
    </div>
    <div class="plots">
      ${plot({ id: 'plot-duration', title: 'Duration', labels, series: durations }, durationTicks, formatDuration)}
      ${plot({ id: 'plot-size', title: 'Data in the image', labels, series: sizes }, byteTicks, formatBytes)}
    </div>
  </section>`
}

function plot(
  facts: Pick<PlotFacts, 'id' | 'title' | 'labels' | 'series'>,
  ticksUpTo: (highest: number) => number[],
  format: (value: number) => string,
): Markup {
  const values = facts.series.flatMap((one) => one.values.flatMap((value) => value ?? []))
  const ticks = ticksUpTo(Math.max(0, ...values))
  const short = (value: number) =>
    value === 0 ? '0' : format(value).replace(/ 00 s$| 00 min$|\.0(?= s)/, '')
  return html`<figure>
    <figcaption>${facts.title}</figcaption>
    ${linePlot({ ...facts, title: `${facts.title} by release and architecture`, ticks, format: short })}
    <details>
      <summary>${facts.title} in numbers</summary>
      <table class="numbers">
        <caption class="spoken">
          ${facts.title} by release and architecture
        </caption>
        <thead>
          <tr>
            <th scope="col">Release</th>
            ${facts.series.map(({ name }) => html`<th scope="col">${name}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${facts.labels
            .map(
              (label, index) =>
                html`<tr>
                  <th scope="row"><a href="${releaseAddress(label)}">${line(label)}</a></th>
                  ${facts.series.map(({ values: own }) => {
                    const value = own[index]
                    return html`<td>${value === undefined ? '–' : format(value)}</td>`
                  })}
                </tr>`,
            )
            .toReversed()}
        </tbody>
      </table>
    </details>
  </figure>`
}

/** Of an architecture that was built in this release and did not fail: others say nothing of how long a build takes. */
function finishedMs(release: ReleaseState, arch: ArchitectureName): number | undefined {
  const own = release.steps.filter((step) => step.arch === arch)
  const built = own.some(({ step, state }) => step === 'disks' && state === 'finished')
  return built && own.every(({ state }) => state === 'finished')
    ? architectureMs(release, arch, 0)
    : undefined
}

function contentBytes(
  { collected }: FactoryState,
  { builds }: ReleaseState,
  arch: ArchitectureName,
): number | undefined {
  const key = builds.find((build) => build.arch === arch)?.buildKey
  return key === undefined ? undefined : collected.get(key)?.artifacts[0]?.contentBytes
}
