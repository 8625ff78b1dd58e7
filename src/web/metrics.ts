import { Hono } from 'hono'
import { Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import { type Price, sumOf } from '#src/cost.ts'
import type { ReleaseState } from '#src/journal/replay.ts'
import { costOf } from '#src/release/release-cost.ts'
import type { WebEnvironment } from './environment.ts'
import type { Serving } from './types.ts'

/** Seconds: from a moment to the longest build. */
const stepSeconds = [1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14_400]

/**
 * `GET /metrics` for Prometheus. What the journal knows is read when it is asked for, so it is the same before and after
 * a restart; how long steps took is counted from the events of this process, until `closing` is aborted.
 */
export function metrics(serving: Serving, closing: AbortSignal): Hono<WebEnvironment> {
  const registry = new Registry()
  const ofProcess = processRegistry()
  describe(serving, registry)
  closing.addEventListener('abort', observeSteps(serving, registry), { once: true })
  return new Hono<WebEnvironment>().get('/metrics', async (context) => {
    const text = await Promise.all([ofProcess, registry].map((one) => one.metrics()))
    return context.body(text.join('\n'), 200, {
      'Content-Type': registry.contentType,
      'Cache-Control': 'no-store',
    })
  })
}

let known: Registry | undefined

/** One for all images that the process serves: each that measures it has a timer of its own, a hundred times a second. */
function processRegistry(): Registry {
  if (known) return known
  known = new Registry()
  collectDefaultMetrics({ register: known })
  return known
}

type Sample = [labels: Record<string, string>, value: number]

function describe(serving: Serving, registry: Registry): void {
  const { state, now, rules } = serving
  const gauge = (name: string, help: string, labelNames: string[], read: () => Sample[]) =>
    new Gauge({
      name: `factory_${name}`,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset()
        if (labelNames.length === 0) this.remove()
        for (const [labels, value] of read()) this.set(labels, value)
      },
    })
  gauge('releases', 'Releases in the journal by what they came to.', ['outcome'], () =>
    counted(state().releases.map(({ outcome }) => outcome ?? 'open')).map(([outcome, count]) => [
      { outcome },
      count,
    ]),
  )
  gauge('leases_open', 'Rented machines that were not given back yet, by cloud.', ['cloud'], () => {
    const clouds = Object.keys(serving.configuration.clouds).map((cloud): Sample => [{ cloud }, 0])
    const open = state().leases.filter(({ released }) => !released)
    return [
      ...clouds,
      ...counted(open.map(({ cloud }) => cloud)).map(([cloud, count]): Sample => [{ cloud }, count]),
    ]
  })
  gauge('machines_cost', 'What all rented machines came to so far, by currency.', ['currency'], () =>
    machinesCost(serving).map(({ currency, amount }) => [{ currency }, amount]),
  )
  gauge('last_promotable_age_seconds', 'Since the newest promotable release was done.', [], () => {
    const { releases, channels } = state()
    const candidate = releases.find(({ release }) => release === channels.candidate)
    return candidate ? [[{}, (now() - doneAt(candidate)) / 1000]] : []
  })
  gauge('rule_paused', '1 when the rule has paused itself.', ['rule'], () =>
    rules().map(({ name, paused }) => [{ rule: name }, paused ? 1 : 0]),
  )
  gauge('rule_next_timestamp_seconds', 'When the rule is looked at next.', ['rule'], () =>
    rules().flatMap(({ name, nextAt }) => (nextAt === undefined ? [] : [[{ rule: name }, nextAt / 1000]])),
  )
  gauge(
    'rule_recent_ticks',
    'The newest ticks of the rule by what they came to; up to 50 are remembered.',
    ['rule', 'outcome'],
    () =>
      [...state().rules].flatMap(([rule, { ticks }]) =>
        counted(ticks.map(({ outcome }) => outcome ?? 'taken')).map(([outcome, count]): Sample => [
          { rule, outcome },
          count,
        ]),
      ),
  )
  gauge('ready', '1 when a release can be made now.', [], () => [[{}, serving.ready() === true ? 1 : 0]])
}

/** Returns how to stop. */
function observeSteps({ events }: Serving, registry: Registry): () => void {
  const durations = new Histogram({
    name: 'factory_step_duration_seconds',
    help: 'How long the steps of builds took.',
    labelNames: ['step', 'arch', 'outcome'],
    buckets: stepSeconds,
    registers: [registry],
  })
  return events.subscribe(({ event }) => {
    if (event.type !== 'step-finished' && event.type !== 'step-failed') return
    const { step, arch, durationMs } = event
    const outcome = event.type === 'step-finished' ? 'finished' : 'failed'
    durations.observe({ step, arch, outcome }, durationMs / 1000)
  })
}

function counted(names: readonly string[]): [string, number][] {
  return [...Map.groupBy(names, (name) => name)].map(([name, all]) => [name, all.length])
}

function doneAt({ openedAt, durationMs }: ReleaseState): number {
  return openedAt + (durationMs ?? 0)
}

function machinesCost({ state, now }: Serving): Price[] {
  const { leases } = state()
  const releases = Map.groupBy(leases, ({ lease }) => `${lease.release} ${lease.arch}`)
  return sumOf(
    [...releases.values()].flatMap((own) => {
      const { release, arch } = own[0]!.lease
      return costOf({ release, arch, leases: own, images: [], artifacts: [], clouds: new Map(), now: now() })[
        'machines-total'
      ]
    }),
  )
}
