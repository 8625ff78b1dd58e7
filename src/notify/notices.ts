import { createHash } from 'node:crypto'
import type { StoredRecord } from '#src/journal/records.ts'
import type { FactoryState, ReleaseState } from '#src/journal/replay.ts'
import type { Notice } from './types.ts'

type Of<Type extends StoredRecord['type']> = Extract<StoredRecord, { type: Type }>

const mostListed = 50

/**
 * What people are told of a record that was just written; `state` has it applied already. The same record gives the same
 * notices, so a record that is read again after a restart makes no second message where the receiver can know it.
 */
export function noticesOf(record: StoredRecord, state: FactoryState): Notice[] {
  switch (record.type) {
    case 'release-closed':
      return closed(record, releaseOf(state, record.release))
    case 'channel-moved':
      return record.channel === 'candidate'
        ? promotable(record, releaseOf(state, record.release))
        : promoted(record, state)
    case 'rule-paused':
      return [paused(record)]
    default:
      return []
  }
}

/** Names what makes a notice the one that it is. */
export function noticeId(...parts: readonly (string | number)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32)
}

function closed(record: Of<'release-closed'>, known: ReleaseState | undefined): Notice[] {
  const { release, outcome, durationMs } = record
  if (outcome !== 'failed' && outcome !== 'partial') return []
  const failures = failuresOf(known)
  const lines = failures.map(({ where, code, message }) => `${where}: ${message} [${code}]`)
  const what = outcome === 'failed' ? 'failed' : 'is partial: something that it requires is missing'
  const hint = failures.find((failure) => failure.hint !== undefined)?.hint
  return [
    {
      ...common(record, 'failed'),
      release,
      title: `${release} ${what}`,
      text: lines.length === 0 ? 'No step of it says why: factory status' : lines.join('\n'),
      hint: hint ?? 'See what is missing: factory status. The next factory release makes only that.',
      facts: { outcome, durationMs, failures: failures.slice(0, mostListed) },
    },
  ]
}

/** A release becomes promotable once, however often a later run finds that it is. */
function promotable(record: Of<'channel-moved'>, known: ReleaseState | undefined): Notice[] {
  const { release } = record
  const images = imagesOf(known)
  const lines = images.map(({ arch, cloud, region, name }) => `${arch}: ${name} in ${cloud}/${region}`)
  return [
    {
      ...common(record, 'promotable'),
      id: noticeId('promotable', release),
      release,
      title: `${release} may be promoted`,
      text: lines.join('\n'),
      hint: `factory promote ${release}`,
      facts: { images: images.slice(0, mostListed) },
    },
  ]
}

/** A promotion that was there already moved nothing. */
function promoted(record: Of<'channel-moved'>, { channels }: FactoryState): Notice[] {
  const { release, by, why, forced } = record
  if (channels.promoted?.release === release && channels.promoted.at !== record.at) return []
  const previous = channels.previous?.release
  const lines = [
    `Promoted${by === undefined ? '' : ` by ${by}`}${forced === true ? ', against what it says of itself' : ''}${why === undefined ? '' : `: ${why}`}`,
    ...(previous === undefined ? [] : [`Before it: ${previous}`]),
  ]
  return [
    {
      ...common(record, 'promoted'),
      release,
      title: `${release} is promoted`,
      text: lines.join('\n'),
      ...(previous === undefined ? {} : { hint: 'Back to the one before: factory rollback' }),
      facts: { by, why, forced, previous },
    },
  ]
}

function paused(record: Of<'rule-paused'>): Notice {
  const { rule, why } = record
  return {
    ...common(record, 'rule-paused'),
    title: `The rule "${rule}" has paused itself`,
    text: why,
    hint: 'Nothing is released by it until somebody resumes it on the page.',
    facts: { rule, why },
  }
}

function common(record: StoredRecord, occasion: Notice['occasion']): Pick<Notice, 'id' | 'occasion' | 'at'> {
  return { id: noticeId(occasion, record.seq, record.at), occasion, at: record.at }
}

function releaseOf({ releases }: FactoryState, name: string): ReleaseState | undefined {
  return releases.findLast(({ release }) => release === name)
}

interface Failure {
  where: string
  code: string
  class: string
  message: string
  hint?: string
}

function failuresOf(known: ReleaseState | undefined): Failure[] {
  return (known?.steps ?? []).flatMap(({ arch, step, target, state, error }) => {
    if (state !== 'failed' || error === undefined) return []
    const where = target === undefined ? `${arch} ${step}` : `${arch} ${step} ${target}`
    return [{ where, ...error, message: error.message.slice(0, 1000) }]
  })
}

function imagesOf(known: ReleaseState | undefined) {
  return (known?.images ?? [])
    .filter(({ removal }) => removal === undefined)
    .map(({ image: { arch, cloud, region, id, name }, verification }) => ({
      arch,
      cloud,
      region,
      id,
      name,
      boot: verification?.result ?? 'not verified',
    }))
}
