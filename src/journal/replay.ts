import type { ArchitectureName } from '#arch/index.ts'
import type { ErrorFacts, ReleaseOutcome, StepName } from '#src/events.ts'
import { type Channels, moveChannel } from './channels.ts'
import { type Decision, decisionOf } from './decisions.ts'
import { type PublishedImage, imagesAfter } from './images.ts'
import { type LeaseState, applyLease, failLeases } from './leases.ts'
import type { CollectedArtifact, PlannedDestination, StoredRecord } from './records.ts'
import { type RuleState, applyRule } from './rules.ts'

export interface StepState {
  arch: ArchitectureName
  step: StepName
  target?: string
  state: 'running' | 'finished' | 'failed'
  startedAt: number
  durationMs?: number
  summary?: string
  error?: ErrorFacts
}

export interface CollectedBuild {
  release: string
  arch: ArchitectureName
  buildKey: string
  /** What a booted image of this build says of itself. */
  identity: string
  /** Digest of the pushed container manifest, where `image.push` is set. */
  pushedDigest?: string
  artifacts: CollectedArtifact[]
  /** `factory gc` took its bytes out of the local store. */
  removed?: boolean
}

export interface ReleaseState {
  release: string
  key: string
  owner: string
  imageName: string
  inputs: unknown
  /** `collected` when the artifacts are here, whichever release made them. */
  builds: { arch: ArchitectureName; buildKey: string; why: string; collected: boolean }[]
  destinations: PlannedDestination[]
  openedAt: number
  /** Of the engine that works on it, or did last. */
  epoch: number
  durationMs?: number
  /** Absent while the release is open: running, or cut off. */
  outcome?: ReleaseOutcome
  steps: StepState[]
  containers: Partial<Record<ArchitectureName, { imageId: string; sizeBytes: number; pushedDigest?: string }>>
  index?: { reference: string; digest: string }
  images: PublishedImage[]
  ignored?: Decision
  pinned?: Decision
}

export interface FactoryState {
  /** Oldest first. */
  releases: ReleaseState[]
  leases: LeaseState[]
  /** By build key: the bytes of a build are the same whichever release asks for them. */
  collected: Map<string, CollectedBuild>
  channels: Channels
  /** By name: `cron`, `inactivity`, `containerfile`, `base`, and what else made a tick. */
  rules: Map<string, RuleState>
  /** The newest engine that started. */
  engine?: { epoch: number; pid: number; host: string; startedAt: number }
}

export function emptyState(): FactoryState {
  return { releases: [], leases: [], collected: new Map(), channels: {}, rules: new Map() }
}

/** Derives everything from the records, in their order; pure, so the same journal gives the same state. */
export function replay(records: Iterable<StoredRecord>): FactoryState {
  const state = emptyState()
  for (const record of records) apply(state, record)
  return state
}

/** Changes the state by one record, the next in order. */
export function apply(state: FactoryState, record: StoredRecord): void {
  if (record.type === 'channel-moved') return moveChannel(state, record)
  if (applyRule(state.rules, record)) return
  if (record.type === 'engine-started') {
    const { epoch, pid, host, at } = record
    state.engine = { epoch, pid, host, startedAt: at }
    return
  }
  if (applyLease(state.leases, record)) return
  if (record.type === 'release-opened') {
    const { release, key, owner, imageName, inputs, destinations, at } = record
    const builds = withCollected(state, record.builds)
    const opened = {
      release,
      key,
      owner,
      imageName,
      inputs,
      builds,
      destinations,
      openedAt: at,
      epoch: record.epoch,
    }
    state.releases.push({ ...opened, steps: [], containers: {}, images: [] })
    return
  }
  if (!('release' in record)) return
  const release = state.releases.findLast((candidate) => candidate.release === record.release)
  if (release) applyToRelease(state, release, record)
}

function applyToRelease(state: FactoryState, release: ReleaseState, record: StoredRecord): void {
  switch (record.type) {
    case 'release-resumed':
      delete release.outcome
      release.epoch = record.epoch
      if (record.adopted) {
        const { inputs, builds, destinations } = record.adopted
        Object.assign(release, { inputs, builds: withCollected(state, builds), destinations })
      }
      return
    case 'release-closed':
      release.outcome = record.outcome
      release.durationMs = record.durationMs
      return
    case 'step-started':
    case 'step-finished':
    case 'step-failed':
      if (record.type === 'step-failed') failLeases(state.leases, record)
      return applyStep(release, record)
    case 'container-built':
      release.containers[record.arch] = { imageId: record.imageId, sizeBytes: record.sizeBytes }
      return
    case 'container-pushed': {
      const container = release.containers[record.arch]
      if (container) container.pushedDigest = record.digest
      return
    }
    case 'index-written':
      release.index = { reference: record.reference, digest: record.digest }
      return
    case 'artifacts-collected': {
      const { release: builtIn, arch, buildKey, identity, artifacts, pushedDigest } = record
      const collected = { release: builtIn, arch, buildKey, identity, artifacts }
      state.collected.set(buildKey, pushedDigest === undefined ? collected : { ...collected, pushedDigest })
      for (const build of release.builds) if (build.buildKey === buildKey) build.collected = true
      return
    }
    case 'image-published':
    case 'image-verified':
    case 'image-marked':
    case 'image-removing':
    case 'image-removed':
      release.images = imagesAfter(release.images, record)
      return
    case 'artifact-removed':
      for (const build of state.collected.values())
        if (build.artifacts.some(({ sha256 }) => sha256 === record.sha256)) build.removed = true
      return
    case 'release-ignored':
      release.ignored = decisionOf(record)
      if (state.channels.candidate === release.release) delete state.channels.candidate
      return
    case 'release-pinned':
      if (record.pinned) release.pinned = decisionOf(record)
      else delete release.pinned
  }
}

function withCollected(
  { collected }: FactoryState,
  builds: readonly { arch: ArchitectureName; buildKey: string; why: string }[],
): ReleaseState['builds'] {
  return builds.map((build) => ({ ...build, collected: collected.has(build.buildKey) }))
}

function applyStep(
  release: ReleaseState,
  record: Extract<StoredRecord, { type: 'step-started' | 'step-finished' | 'step-failed' }>,
): void {
  const { arch, step, target } = record
  const same = (known: StepState) =>
    known.arch === arch && known.step === step && known.target === target && known.state === 'running'
  if (record.type === 'step-started') {
    release.steps = release.steps.filter(
      (known) => !(known.arch === arch && known.step === step && known.target === target),
    )
    const place = target === undefined ? { arch, step } : { arch, step, target }
    release.steps.push({ ...place, state: 'running', startedAt: record.at })
    return
  }
  const running = release.steps.find(same)
  if (!running) return
  running.durationMs = record.durationMs
  if (record.type === 'step-finished') {
    running.state = 'finished'
    running.summary = record.summary
    return
  }
  running.state = 'failed'
  running.error = record.error as ErrorFacts
}
