/**
 * How many builds one `factory serve` carries: 100 images of four architectures, all buttons pressed at once.
 *
 *   npm run bench:scale                  prints memory, event-loop delay, what each step took longer than its machine
 *   npm run bench:scale -- --check       exits 1 when a target is missed
 *   npm run bench:scale -- --images 2    with fewer images: 8 builds
 *
 * Real is all of the process: journals, pages, SSH sessions, jobs followed by their logs, transfers, the store. Scripted
 * is the cloud, a process of its own. Its machines are real sshd processes on loopback addresses, each with a mount and
 * PID namespace, the keys of its lease, and a `podman` that writes log lines for a while and then a disk of 32 MiB with
 * 2 MiB of content. Images are published to it byte by byte and booted to be verified. Memory, delay and processor time
 * are those of the serving process alone; machines and cloud share the processors with it, which a real cloud does not, so
 * that it and the cloud go before the machines (autogroup). What a machine's command waits for us counts as the machine's.
 */
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { availableParallelism } from 'node:os'
import { finished } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { architectureNames } from '#arch/index.ts'
import { readJournal } from '#src/journal/journal.ts'
import { callFactory } from '#src/web/client.ts'
import { socketPath } from '#src/web/socket-path.ts'
import type { RuleView } from '#src/web/types.ts'
import { formatBytes, formatDuration } from '#src/units.ts'
import { type StepTimes, addedTimes } from './scale/added.ts'
import { wrongs } from './scale/judge.ts'
import type { Ledger } from './scale/ledger.ts'
import type { Measured } from './scale/serving.ts'
import { type ServedImage, type World, openWorld } from './scale/world.ts'

const memoryTargetBytes = 512 * 1024 ** 2
const delayTargetMs = 100
const rateTarget = 1
const lookEveryMs = 2_000
/** Several times what a slow machine takes. */
const limitMs = 45 * 60_000
const tellEveryMs = 10_000

const { values } = parseArgs({
  options: {
    check: { type: 'boolean', default: false },
    images: { type: 'string', default: '100' },
    /** Seconds that a machine works on the container and on the disk, and between which it boots. */
    container: { type: 'string', default: '60' },
    disk: { type: 'string', default: '30' },
    boot: { type: 'string', default: '10-40' },
  },
})
const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort(new Error(name)))
const limit = setTimeout(() => stop.abort(new Error(`not over within ${formatDuration(limitMs)}`)), limitMs)
limit.unref()
try {
  process.exitCode = (await main()) || !values.check ? 0 : 1
} catch (error) {
  if (!stop.signal.aborted) throw error
  if (error !== stop.signal.reason) console.error(error)
  console.error(`stopped: ${(stop.signal.reason as Error).message}`)
  process.exitCode = 130
}

async function main(): Promise<boolean> {
  const [least = 0, most = least] = values.boot.split('-').map(Number)
  const [containerSeconds, diskSeconds] = [Number(values.container), Number(values.disk)]
  const times = { containerSeconds, diskSeconds, bootSeconds: [least, most] as [number, number] }
  await using world = await openWorld(Number(values.images), times, stop.signal)
  const { images } = world
  const builds = images.length * architectureNames.length
  console.log(`${images.length} images of ${architectureNames.length} architectures are served`)
  const start = await world.measure()
  console.log(row('until it waits', `${world.readySeconds.toFixed(1)} s, ${ofProcess(start)}`))
  const startedAt = Date.now()
  const telling = setInterval(() => void tell(world, startedAt).catch(() => undefined), tellEveryMs)
  try {
    await Promise.all(images.map((image) => pressAndWait(image)))
  } finally {
    clearInterval(telling)
  }
  const measured = await world.measure()
  const seconds = (lastEnd(images) - startedAt) / 1000
  const ledger = await world.end()
  const wrong = await wrongs(world, ledger)
  for (const what of wrong.slice(0, 20)) console.log(`  wrong: ${what}`)
  if (wrong.length > 0) throw new Error(`${wrong.length} things are wrong, so nothing was measured`)
  return judged(builds, seconds, measured, addedTimes(images, ledger), ledger.peak)
}

/** As a person does, with a page open that shows every event; returns when the tick has ended, whatever came of it. */
async function pressAndWait({ stateDirectory }: ServedImage): Promise<void> {
  const closing = new AbortController()
  const signal = AbortSignal.any([closing.signal, stop.signal])
  const watching = watchEvents(stateDirectory, signal)
  watching.catch(() => undefined)
  const address = { stateDirectory }
  const pressed = (await callFactory(address, 'POST', '/api/releases', { by: 'the benchmark' })) as {
    tick: string
  }
  for (;;) {
    await sleep(lookEveryMs, undefined, { signal: stop.signal })
    const rules = (await callFactory(address, 'GET', '/api/rules')) as RuleView[]
    const last = rules.find(({ name }) => name === 'hand')?.last
    if (last?.tick === pressed.tick && last.outcome !== undefined) break
  }
  closing.abort()
  await watching
}

/** Reads on as a page does, and throws nothing away unread; throws when there is nothing to read before the signal. */
async function watchEvents(stateDirectory: string, signal: AbortSignal): Promise<void> {
  using socket = socketPath(stateDirectory)
  const options = { socketPath: socket.address, path: '/events.ndjson', host: 'localhost', signal }
  const asking = request(options).end()
  asking.on('error', () => undefined)
  const [response] = (await once(asking, 'response')) as [IncomingMessage]
  if (response.statusCode !== 200) throw new Error(`no events are shown: ${response.statusCode}`)
  await finished(response.resume(), { signal }).catch(() => undefined)
  if (!signal.aborted) throw new Error('the events ended before the builds')
}

async function tell(world: World, startedAt: number): Promise<void> {
  const { standing, images } = await world.askCloud<{ standing: number; images: number }>('peak')
  const seconds = Math.round((Date.now() - startedAt) / 1000)
  console.error(`  after ${seconds} s: ${standing} machines are rented, ${images} images are published`)
}

function lastEnd(images: readonly ServedImage[]): number {
  const ends = images.map(({ stateDirectory }) => {
    using journal = readJournal(stateDirectory)
    return journal.read().findLast(({ type }) => type === 'tick-done')?.at ?? Number.NaN
  })
  return Math.max(...ends)
}

function judged(
  builds: number,
  seconds: number,
  measured: Measured,
  steps: readonly StepTimes[],
  peak: Ledger['peak'],
): boolean {
  const rate = builds / seconds
  const aDay = Math.round(rate * 86_400)
  console.log(row('while it builds', ofProcess(measured)))
  console.log(row('processors', shares(measured, seconds)))
  console.log(row('at once', `${peak.builders} builders; ${peak.machines} machines with those that verify`))
  console.log('  seconds a step takes, and of these what no machine and no cloud spent (median, 99 of 100):')
  for (const { step, whole, added } of steps) {
    const shown = (times: readonly number[]) =>
      [50, 99].map((percent) => (percentile(times, percent) / 1000).toFixed(1).padStart(7)).join('')
    console.log(`    ${step.padEnd(12)}${shown(whole)}    added${shown(added)}`)
  }
  console.log(
    `${builds} builds in ${seconds.toFixed(1)} s: ${rate.toFixed(2)} builds a second, that is ${aDay} a day`,
  )
  const missed = [
    ...(measured.peakBytes < memoryTargetBytes
      ? []
      : [`memory must stay under ${formatBytes(memoryTargetBytes)}`]),
    ...(measured.delay.p99 < delayTargetMs ? [] : [`the delay's p99 must stay under ${delayTargetMs} ms`]),
    ...(rate >= rateTarget ? [] : [`it must be ${rateTarget} build a second at least`]),
  ]
  for (const what of missed) console.log(`  missed: ${what}`)
  return missed.length === 0
}

/** The rest is that of the machines, of the cloud, and of whatever else runs here. */
function shares({ cpuSeconds, childrenSeconds }: Measured, seconds: number): string {
  const own = `${cpuSeconds.toFixed(0)} s it took itself, ${childrenSeconds.toFixed(0)} s its ssh and tar`
  return `of ${(availableParallelism() * seconds).toFixed(0)} s, ${own}; machines and cloud shared the rest`
}

function ofProcess({ peakBytes, delay }: Measured): string {
  const late = `event loop late by ${delay.p50.toFixed(1)} ms (median), ${delay.p99.toFixed(1)} ms (p99), ${delay.most.toFixed(0)} ms (most)`
  return `peak memory ${formatBytes(peakBytes)}, ${late}`
}

function percentile(times: readonly number[], percent: number): number {
  const sorted = times.toSorted((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN
}

function row(name: string, text: string): string {
  return `  ${name.padEnd(16)} ${text}`
}
