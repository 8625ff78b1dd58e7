import { FactoryError } from '#src/errors.ts'
import type { Journal } from '#src/journal/journal.ts'
import type { FactoryState, ReleaseState } from '#src/journal/replay.ts'
import { type Requirement, isRetired, judge } from './outcome.ts'
import { knownRelease } from './known-release.ts'

/** A person's choice about a release. */
export interface Choice {
  by: string
  why?: string
  /** Against what the release says of itself; needs a `why`. */
  force?: boolean
}

type Chooser = { journal: Pick<Journal, 'append' | 'appendAll' | 'state'>; require: Requirement }

/**
 * Points the channel `promoted` at a release; what it pointed to becomes `previous`. Refuses one that is open,
 * incomplete, not verified or ignored, the last three unless they are forced with a reason. Promoting what is promoted
 * changes nothing. Returns whether the channel moved.
 */
export function promote({ journal, require }: Chooser, name: string, choice: Choice): boolean {
  const state = journal.state()
  const release = knownRelease(state, name)
  if (state.channels.promoted?.release === name) return false
  assertUsable(release)
  const objection = objectionTo(release, require)
  if (objection !== undefined) assertForced(release, objection, choice)
  const forced = objection === undefined ? {} : { forced: true }
  journal.append({ type: 'channel-moved', channel: 'promoted', release: name, ...wordsOf(choice), ...forced })
  return true
}

/**
 * Points `promoted` at what it pointed to before; going back once more comes back. Refuses what was ignored since: that
 * is for `promote` with a reason. Returns the release.
 */
export function rollBack({ journal }: Chooser, choice: Choice): string {
  const state = journal.state()
  const { promoted, previous } = state.channels
  if (!promoted || !previous) {
    throw new FactoryError({
      code: 'nothing-to-roll-back',
      message: promoted
        ? `nothing was promoted before ${promoted.release}`
        : 'nothing has been promoted yet, so there is nothing to go back from',
      hint: 'List what could be promoted with: factory images',
      class: 'user',
    })
  }
  const release = knownRelease(state, previous.release)
  assertUsable(release)
  if (release.ignored) throw notPromotable(release.release, objectionOfIgnored(release.ignored))
  journal.append({
    type: 'channel-moved',
    channel: 'promoted',
    release: previous.release,
    ...wordsOf(choice),
  })
  return previous.release
}

/**
 * Says that a release is not to be used. When it was the candidate, the newest one that may still be used becomes that.
 * What is promoted is not ignored: something else has to be promoted first.
 */
export function ignore({ journal, require }: Chooser, name: string, choice: Choice): void {
  const state = journal.state()
  const release = knownRelease(state, name)
  if (release.outcome === undefined) throw stillOpen(release)
  if (state.channels.promoted?.release === name) {
    throw new FactoryError({
      code: 'release-promoted',
      message: `${name} is promoted: whoever uses the promoted images uses it now`,
      hint: 'Go back with: factory rollback  (or promote another release first)',
      class: 'user',
    })
  }
  if (choice.why === undefined) throw withoutReason(`ignoring ${name}`, `factory ignore ${name} --why "…"`)
  journal.appendAll([
    { type: 'release-ignored', release: name, ...wordsOf(choice) },
    ...nextCandidate(state, name, require),
  ])
}

/** Keeps a release from `factory gc`, or lets it be collected again. */
export function pin({ journal }: Chooser, name: string, choice: Choice & { pinned: boolean }): void {
  const release = knownRelease(journal.state(), name)
  if ((release.pinned !== undefined) === choice.pinned) return
  journal.append({ type: 'release-pinned', release: name, pinned: choice.pinned, ...wordsOf(choice) })
}

/** What speaks against using a release, in words; undefined where nothing does. */
export function objectionTo(release: ReleaseState, require: Requirement): string | undefined {
  if (release.ignored) return objectionOfIgnored(release.ignored)
  const { promotable, missing } = judge(release, require)
  if (!promotable)
    return `it is not complete: ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing`
  const unverified = release.images.filter(({ verification }) => verification?.result !== 'passed')
  if (unverified.length === 0) return undefined
  const names = unverified.map(({ image }) => `${image.arch} in ${image.cloud}/${image.region}`)
  return `it is not verified: ${names.join(', ')}`
}

function objectionOfIgnored({ why }: { why?: string }): string {
  return `it is ignored${why ? ` ("${why}")` : ''}`
}

/** Not even a reason makes an image of what is not there. */
function assertUsable(release: ReleaseState): void {
  if (release.outcome === undefined) throw stillOpen(release)
  if (!isRetired(release) && release.images.length > 0) return
  throw new FactoryError({
    code: 'release-without-images',
    message: isRetired(release)
      ? `images of ${release.release} have been removed by factory gc`
      : `${release.release} has no images`,
    hint: 'List what can be promoted with: factory images',
    class: 'user',
  })
}

function assertForced({ release }: ReleaseState, objection: string, { force, why }: Choice): void {
  if (!force) throw notPromotable(release, objection)
  if (why === undefined)
    throw withoutReason(`promoting ${release} (${objection})`, `factory promote ${release} --force --why "…"`)
}

function notPromotable(release: string, objection: string): FactoryError {
  return new FactoryError({
    code: 'release-not-promotable',
    message: `${release} is not promoted: ${objection}`,
    hint: `Look at it with: factory status ${release}  To promote it all the same: factory promote ${release} --force --why "…"`,
    class: 'user',
  })
}

function stillOpen({ release }: ReleaseState): FactoryError {
  return new FactoryError({
    code: 'release-open',
    message: `${release} is not finished yet`,
    hint: `See how it is with: factory status ${release}`,
    class: 'user',
  })
}

function withoutReason(what: string, command: string): FactoryError {
  return new FactoryError({
    code: 'reason-missing',
    message: `${what} needs a reason, for whoever looks at it later`,
    hint: `Say it: ${command}`,
    class: 'user',
  })
}

function nextCandidate(state: FactoryState, ignored: string, require: Requirement) {
  if (state.channels.candidate !== ignored) return []
  const next = state.releases.findLast(
    (one) =>
      one.release !== ignored &&
      one.outcome === 'done' &&
      !one.ignored &&
      !isRetired(one) &&
      judge(one, require).promotable,
  )
  return next ? [{ type: 'channel-moved', channel: 'candidate', release: next.release } as const] : []
}

function wordsOf({ by, why }: Choice): { by: string; why?: string } {
  return why === undefined ? { by } : { by, why }
}
