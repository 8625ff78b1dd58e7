import { quoteCommand } from '#src/builder/quote.ts'
import type { Builder } from '#src/builder/types.ts'
import type { Context } from '#src/context.ts'
import { pullFailure } from './failures.ts'
import { nameInContainerfile, pinnedName } from './reference.ts'
import { runJobWithRetries } from './transcript.ts'
import type { PinnedReference } from './types.ts'

/**
 * Brings pinned images into the builder's storage, each by digest and only when it is not there yet, and tags them as
 * `nameOf` says, so that nothing after this reads a moving tag.
 */
export async function pullPinned(
  builder: Builder,
  job: {
    id: string
    images: readonly PinnedReference[]
    deadline: number
    logDirectory: string
    nameOf?: (image: PinnedReference) => string | undefined
  },
  ctx: Context,
): Promise<void> {
  if (job.images.length === 0) return
  const script = pullScript(job.images, job.nameOf ?? nameInContainerfile)
  ctx.emit({ message: `pulling ${job.images.map((image) => image.reference).join(', ')}` })
  await runJobWithRetries(
    builder,
    { id: job.id, script, deadline: job.deadline, logDirectory: job.logDirectory },
    (transcript) => pullFailure(builder.ref.arch, job.images, transcript),
    ctx,
  )
}

function pullScript(
  images: readonly PinnedReference[],
  nameOf: (image: PinnedReference) => string | undefined,
): string {
  const lines = images.flatMap((image) => {
    const source = pinnedName(image)
    const name = nameOf(image)
    const exists = quoteCommand(['podman', 'image', 'exists', source])
    const pull = `${exists} || ${quoteCommand(['podman', 'pull', source])}`
    return name === undefined ? [pull] : [pull, quoteCommand(['podman', 'tag', source, name])]
  })
  return `${lines.join('\n')}\n`
}
