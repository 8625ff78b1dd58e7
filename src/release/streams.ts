import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import pLimit from 'p-limit'
import {
  type ReleaseManifest,
  readReleaseJson,
  releaseJsonText,
  writeReleaseJson,
} from '#src/artifact/release-json.ts'
import { type ChannelName, channelNames } from '#src/journal/channels.ts'
import type { FactoryState } from '#src/journal/replay.ts'
import { releaseMark } from './release-mark.ts'
import type { Requirement } from './outcome.ts'
import { releaseManifestFile } from './scope.ts'

/** Where the stream metadata of a channel lies: the same path whichever release it points to. */
export function streamFile(stateDirectory: string, channel: ChannelName): string {
  return join(stateDirectory, 'streams', `${channel}.json`)
}

/** The release that a channel points to. */
export function releaseOf(
  { channels }: Pick<FactoryState, 'channels'>,
  channel: ChannelName,
): string | undefined {
  return channel === 'candidate' ? channels.candidate : channels[channel]?.release
}

/**
 * CoreOS stream metadata of a channel: the release.json of its release under the channel's name, with the states that its
 * images have now. Undefined where the channel points to nothing, or to a release without a release.json: one that was
 * adopted from the clouds.
 */
export async function streamOf(
  stateDirectory: string,
  state: FactoryState,
  { channel, require }: { channel: ChannelName; require: Requirement },
): Promise<ReleaseManifest | undefined> {
  const name = releaseOf(state, channel)
  const release = state.releases.findLast((one) => one.release === name)
  if (name === undefined || !release) return undefined
  const manifest = await readReleaseJson(releaseManifestFile(stateDirectory, name))
  if (!manifest) return undefined
  const mark = releaseMark(state, release, require)
  const moved = channel === 'candidate' ? undefined : state.channels[channel]?.at
  const { metadata } = manifest
  const architectures = Object.entries(manifest.architectures).map(([arch, block]) => {
    const images = block['x-factory'].images.map((image) => ({ ...image, state: mark }))
    return [arch, { ...block, 'x-factory': { ...block['x-factory'], images } }]
  })
  return {
    stream: channel,
    metadata:
      moved === undefined
        ? metadata
        : { ...metadata, 'last-modified': `${new Date(moved).toISOString().slice(0, 19)}Z` },
    architectures: Object.fromEntries(architectures) as ReleaseManifest['architectures'],
  }
}

/** A release and a choice may write at once, and the later state is to be what stays. */
const oneAfterTheOther = pLimit(1)

/**
 * Brings the files of all channels to what the journal says; called after every move and at every start, because a kill
 * may come between the two. Returns the channels whose release has no release.json.
 */
export async function writeStreams(
  stateDirectory: string,
  state: FactoryState,
  require: Requirement,
): Promise<ChannelName[]> {
  return await oneAfterTheOther(() => write(stateDirectory, state, require))
}

async function write(
  stateDirectory: string,
  state: FactoryState,
  require: Requirement,
): Promise<ChannelName[]> {
  const without: ChannelName[] = []
  for (const channel of channelNames) {
    const file = streamFile(stateDirectory, channel)
    const stream = await streamOf(stateDirectory, state, { channel, require })
    if (!stream) {
      await rm(file, { force: true })
      if (releaseOf(state, channel) !== undefined) without.push(channel)
      continue
    }
    const there = await readFile(file, 'utf8').catch(() => undefined)
    if (there !== releaseJsonText(stream)) await writeReleaseJson(file, stream)
  }
  return without
}
