import type { ArchitectureName } from '#arch/index.ts'
import type { Progress } from './context.ts'
import type { FailureClass } from './errors.ts'

/** The unit of progress, retry and resume inside a build; in the order in which they happen. */
export const stepNames = [
  'lease',
  'prepare',
  'container',
  'push',
  'disks',
  'collect',
  'give-back',
  'publish',
  'verify',
] as const

export type StepName = (typeof stepNames)[number]

/** Which step of which build; `target` is `cloud/region` for publish and verify. */
export interface StepPlace {
  arch: ArchitectureName
  step: StepName
  target?: string
}

export interface ErrorFacts {
  code: string
  class: FailureClass
  message: string
  hint?: string
}

/** Why a build is made, in words for people: "first release", "base image localhost:5055/lab/base:trixie changed". */
export interface BuildReason {
  arch: ArchitectureName
  why: string
}

export interface Destination {
  cloud: string
  region: string
  arch: ArchitectureName
  verify: boolean
}

export type ReleaseOutcome = 'done' | 'partial' | 'failed' | 'interrupted'

/** What a person can ask a serving factory for. */
export type ChoiceName = 'press' | 'promote' | 'ignore' | 'pin' | 'rollback' | 'resume' | 'gc'

/** The one stream that terminal, page, log and tests listen to; `at` is milliseconds since the epoch. */
export type FactoryEvent = { at: number } & (
  | {
      type: 'release-started'
      release: string
      key: string
      resumed: boolean
      builds: BuildReason[]
      destinations: Destination[]
    }
  | { type: 'nothing-changed'; release: string; key: string; why: string }
  | ({ type: 'step-started' } & StepPlace)
  | ({ type: 'step-progress'; progress: Progress; bytesPerSecond?: number; etaMs?: number } & StepPlace)
  | ({ type: 'step-log'; line: string } & StepPlace)
  | ({ type: 'step-finished'; durationMs: number; summary: string } & StepPlace)
  | ({ type: 'step-failed'; durationMs: number; error: ErrorFacts; willRetry: boolean } & StepPlace)
  | { type: 'build-finished'; arch: ArchitectureName; ok: boolean; durationMs: number }
  | { type: 'index-written'; reference: string; digest: string; architectures: ArchitectureName[] }
  | { type: 'warning'; message: string; hint?: string; arch?: ArchitectureName }
  | { type: 'chosen'; choice: ChoiceName }
  | {
      type: 'release-finished'
      release: string
      outcome: ReleaseOutcome
      manifest: string
      durationMs: number
    }
)

export type Listener = (event: FactoryEvent) => void
