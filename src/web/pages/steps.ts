import type { ArchitectureName } from '#arch/index.ts'
import { type StepName, stepNames } from '#src/events.ts'
import type { FactoryState, ReleaseState, StepState } from '#src/journal/replay.ts'
import type { MarkName } from './markup.ts'

/** One place of the grid: everything that an architecture did, does or will do under the name of a step. */
export interface Cell {
  arch: ArchitectureName
  step: StepName
  mark: MarkName
  /** In words. */
  state: 'done' | 'failed' | 'running' | 'waiting' | 'not needed' | 'partly done'
  /** Of several destinations. */
  done: number
  of: number
  /** Milliseconds, so far where it is running. */
  durationMs?: number
  steps: readonly StepState[]
}

/** The steps of one architecture in their order. */
export function cellsOf(release: ReleaseState, arch: ArchitectureName, now: number): Cell[] {
  return stepNames.map((step) => cellOf(release, arch, step, now))
}

function cellOf(release: ReleaseState, arch: ArchitectureName, step: StepName, now: number): Cell {
  const steps = release.steps.filter((one) => one.arch === arch && one.step === step)
  const done = steps.filter(({ state }) => state === 'finished').length
  const of = Math.max(steps.length, expected(release, arch, step))
  const state = stateOf(release, arch, step, steps, of)
  const took = steps.length === 0 ? {} : { durationMs: spanOf(steps, now) }
  return { arch, step, mark: markOf[state], state, done, of, steps, ...took }
}

const markOf: Record<Cell['state'], MarkName> = {
  done: 'done',
  failed: 'failed',
  running: 'running',
  waiting: 'waiting',
  'not needed': 'unneeded',
  'partly done': 'partly',
}

function expected(release: ReleaseState, arch: ArchitectureName, step: StepName): number {
  if (step !== 'publish' && step !== 'verify') return 1
  return release.destinations.filter((one) => one.arch === arch && (step === 'publish' || one.verify)).length
}

function stateOf(
  release: ReleaseState,
  arch: ArchitectureName,
  step: StepName,
  steps: readonly StepState[],
  of: number,
): Cell['state'] {
  const open = release.outcome === undefined
  if (steps.some(({ state }) => state === 'running')) return open ? 'running' : 'partly done'
  if (steps.some(({ state }) => state === 'failed')) return 'failed'
  if (steps.length > 0) return steps.length < of ? (open ? 'waiting' : 'partly done') : 'done'
  const later = stepNames.slice(stepNames.indexOf(step) + 1)
  const passed = release.steps.some((one) => one.arch === arch && later.includes(one.step))
  return !open || passed || of === 0 ? 'not needed' : 'waiting'
}

/** From the first one's start to the last one's end, in milliseconds. */
function spanOf(steps: readonly StepState[], now: number): number {
  const ends = steps.map(({ startedAt, durationMs }) => startedAt + (durationMs ?? now - startedAt))
  return Math.max(0, Math.max(...ends) - Math.min(...steps.map(({ startedAt }) => startedAt)))
}

/** How long the architecture took in all, in milliseconds; undefined where nothing was done for it. */
export function architectureMs(
  release: ReleaseState,
  arch: ArchitectureName,
  now: number,
): number | undefined {
  const steps = release.steps.filter((step) => step.arch === arch)
  return steps.length === 0 ? undefined : spanOf(steps, now)
}

export type ReleaseWord = 'running' | 'cut off' | 'done' | 'partial' | 'failed' | 'interrupted'

/** A release without an outcome is being made, or the engine that made it is gone. */
export function wordOf({ outcome, epoch }: ReleaseState, { engine }: FactoryState): ReleaseWord {
  return outcome ?? (epoch === engine?.epoch ? 'running' : 'cut off')
}
