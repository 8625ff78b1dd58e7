import { type Decision, decisionOf } from './decisions.ts'
import type { StoredRecord } from './records.ts'

export const channelNames = ['candidate', 'promoted', 'previous'] as const
export type ChannelName = (typeof channelNames)[number]

/** Named pointers to releases. */
export interface Channels {
  /** The newest promotable release. */
  candidate?: string
  /** The one that people chose to use. */
  promoted?: ChannelMove
  /** What `promoted` pointed to before; `factory rollback` goes back to it. */
  previous?: ChannelMove
}

export interface ChannelMove extends Decision {
  release: string
}

/** Moves a pointer; one that points there already stays, so that a replayed promotion does not lose what was before. */
export function moveChannel(
  {
    channels,
    releases,
  }: { channels: Channels; releases: readonly { release: string; ignored?: Decision }[] },
  record: Extract<StoredRecord, { type: 'channel-moved' }>,
): void {
  const { channel, release } = record
  if (channel === 'candidate') {
    channels.candidate = release
    return
  }
  if (channels.promoted?.release === release) return
  if (channels.promoted) channels.previous = channels.promoted
  channels.promoted = { release, ...decisionOf(record) }
  // Whoever chooses it in spite of that has changed his mind.
  delete releases.findLast((one) => one.release === release)?.ignored
}
