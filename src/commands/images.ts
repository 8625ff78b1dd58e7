import { listImages } from '#src/release/images.ts'
import { table } from '#src/ui/table.ts'
import { formatBytes } from '#src/units.ts'
import { chooseRelease, openState } from './open.ts'
import { spelled } from './spelling.ts'

/** Lists what has been published: an array on `--json`, a table for people. */
export async function imagesCommand(options: {
  config: string | undefined
  release?: string
  json?: boolean
}): Promise<number> {
  const { configuration, state } = await openState(options.config)
  const only = options.release === undefined ? undefined : chooseRelease(state, options.release).release
  const images = listImages(state, configuration.require).filter(
    ({ release }) => only === undefined || release === only,
  )
  if (options.json) {
    process.stdout.write(`${JSON.stringify(images, undefined, 2)}\n`)
    return 0
  }
  if (images.length === 0) process.stderr.write(spelled('No images yet: make them with factory release\n'))
  else {
    const head = ['RELEASE', 'ARCH', 'WHERE', 'NAME', 'FORMAT', 'SIZE', 'SHA256', 'VERIFIED', 'STATE']
    const rows = images.map((image) => [
      image.release,
      image.arch,
      `${image.cloud}/${image.region}`,
      image.name,
      image.format,
      formatBytes(image.sizeBytes),
      image.sha256.slice(0, 12),
      image.verified,
      image.state,
    ])
    process.stdout.write(table(head, rows))
  }
  return 0
}
