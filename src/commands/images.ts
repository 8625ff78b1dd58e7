import type { Configuration } from '#src/config/types.ts'
import { formatPrices } from '#src/cost.ts'
import { FactoryError } from '#src/errors.ts'
import type { ChannelName } from '#src/journal/channels.ts'
import type { FactoryState } from '#src/journal/replay.ts'
import { type ListedImage, listImages } from '#src/release/images.ts'
import { releaseOf, streamOf } from '#src/release/streams.ts'
import { ansibleVariables, variableOf } from '#src/ui/ansible.ts'
import { table } from '#src/ui/table.ts'
import { formatAge, formatBytes } from '#src/units.ts'
import { openClouds } from './clouds.ts'
import { chooseRelease, openState } from './open.ts'
import { spelled } from './spelling.ts'

interface ImagesOptions {
  config: string | undefined
  release?: string
  channel?: ChannelName
  format?: 'table' | 'json' | 'ansible' | 'stream'
  variable?: string
  json?: boolean
}

/**
 * Lists what has been published: a table for people, an array on `--json`; the images of one release as Ansible variables
 * or as CoreOS stream metadata for whoever uses them.
 */
export async function imagesCommand(options: ImagesOptions): Promise<number> {
  const { configuration, state } = await openState(options.config)
  const format = options.json ? 'json' : (options.format ?? 'table')
  if (format === 'stream') return await printStream(configuration, state, options.channel ?? 'promoted')
  const isForUse = format === 'ansible'
  const only = selectedRelease(state, isForUse ? { channel: 'promoted', ...options } : options)
  const all = listImages(state, configuration.require, await pricesOf(configuration))
  const images = all.filter(({ release }) => only === undefined || release === only)
  if (isForUse) {
    const usable = images.filter((image) => image.state !== 'removed')
    const variable = options.variable ?? variableOf(configuration.image.name)
    const channel = options.release === undefined ? (options.channel ?? 'promoted') : undefined
    const about = { release: only ?? '', ...(channel === undefined ? {} : { channel }) }
    process.stdout.write(ansibleVariables(variable, usable, about))
  } else if (format === 'json') process.stdout.write(`${JSON.stringify(images, undefined, 2)}\n`)
  else printTable(images)
  return 0
}

/** The release that was named, or that the channel points to; undefined for all. */
function selectedRelease(
  state: FactoryState,
  { release, channel }: Pick<ImagesOptions, 'release' | 'channel'>,
): string | undefined {
  if (release !== undefined) return chooseRelease(state, release).release
  if (channel === undefined) return undefined
  return releaseOf(state, channel) ?? raise(emptyChannel(channel))
}

async function printStream(
  { stateDirectory, require }: Configuration,
  state: FactoryState,
  channel: ChannelName,
): Promise<number> {
  const release = releaseOf(state, channel) ?? raise(emptyChannel(channel))
  const stream = await streamOf(stateDirectory, state, { channel, require })
  if (!stream) {
    throw new FactoryError({
      code: 'release-json-missing',
      message: `there is no release.json of ${release}: it was adopted from the clouds, which do not know all of it`,
      hint: 'Its images are listed by: factory images  A new release has one: factory release --force',
      class: 'user',
    })
  }
  process.stdout.write(`${JSON.stringify(stream, undefined, 2)}\n`)
  return 0
}

function emptyChannel(channel: ChannelName): FactoryError {
  const hint =
    channel === 'candidate'
      ? 'Make a release with: factory release'
      : 'Choose one with: factory promote RELEASE  (factory images lists them)'
  return new FactoryError({
    code: 'channel-empty',
    message: `the channel ${channel} points to no release yet`,
    hint,
    class: 'user',
  })
}

function raise(error: FactoryError): never {
  throw error
}

/** A cloud that cannot be opened here only costs the column with the prices. */
async function pricesOf(configuration: Configuration) {
  return await openClouds(configuration).catch(() => new Map())
}

function printTable(images: readonly ListedImage[]): void {
  if (images.length === 0) {
    process.stderr.write(spelled('No images yet: make them with factory release\n'))
    return
  }
  const head = [
    'RELEASE',
    'ARCH',
    'WHERE',
    'NAME',
    'ID',
    'FORMAT',
    'SIZE',
    'SHA256',
    'VERIFIED',
    'STATE',
    'AGE',
    'MONTH',
  ]
  const rows = images.map((image) => [
    image.release,
    image.arch,
    `${image.cloud}/${image.region}`,
    image.name,
    image.id === image.name ? '' : image.id,
    image.format,
    formatBytes(image.sizeBytes),
    image.sha256.slice(0, 12),
    image.verified,
    image.pinned ? `${image.state}, pinned` : image.state,
    formatAge(Date.now() - Date.parse(image.publishedAt)),
    image.month ? formatPrices([image.month]) : '',
  ])
  const isUsed = head.map((_, column) => rows.some((row) => row[column] !== ''))
  const shown = (row: readonly string[]) => row.filter((_, column) => isUsed[column])
  process.stdout.write(table(shown(head), rows.map(shown)))
}
