import { randomBytes } from 'node:crypto'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { formatBytes } from '#src/units.ts'
import { type BuildContext, listContext } from './context.ts'
import { bash } from './shell.ts'
import type { Builder } from './types.ts'

/** Argument: directory. Says whether it is there; else removes what senders that were cut off have left beside it. */
const lookScript = String.raw`
set -euo pipefail
if [ -d "$1" ]; then echo there; exit; fi
rm -rf -- "$1".*
`

/** Arguments: what has arrived, its name. Whoever comes second has brought the same, and it is left as it is. */
const nameScript = String.raw`
set -euo pipefail
[ -d "$2" ] || mv -T -- "$1" "$2" || [ -d "$2" ]
rm -rf -- "$1"
`

/**
 * Brings a build context onto the builder, once: a resumed release re-attaches to a build that may be reading it. The
 * directory must be called by the context's digest. It gets this name when all has arrived and was what the digest
 * says, never before, so what bears the name is whole. Throws `context-changed` when the files here are not those
 * that were planned, and what `sendTree` throws.
 */
export async function sendContext(
  builder: Builder,
  localDirectory: string,
  context: BuildContext,
  remoteDirectory: string,
  ctx: Context,
): Promise<void> {
  const { stdout } = await builder.exec(bash(lookScript, remoteDirectory))
  if (stdout.trim() === 'there') return
  const { paths, totalBytes } = context
  ctx.emit({ message: `sending the build context: ${paths.length} files, ${formatBytes(totalBytes)}` })
  // A name of its own, for an engine that was stopped and goes on may be sending the same.
  const arriving = `${remoteDirectory}.${randomBytes(4).toString('hex')}`
  await builder.sendTree(localDirectory, paths, arriving)
  const { digest } = await listContext(localDirectory, { leftOut: context.leftOut })
  if (digest !== context.digest) throw contextChanged(localDirectory)
  await builder.exec(bash(nameScript, arriving, remoteDirectory))
}

/** Every architecture must get what was planned: the key of the build names these bytes. */
function contextChanged(directory: string): FactoryError {
  return new FactoryError({
    code: 'context-changed',
    message: `${directory} changed after the release was planned`,
    hint: 'Let nothing write into the build context during a release; then: factory release',
    class: 'user',
  })
}
