import type { Finding } from '#clouds/types.ts'
import { type Problem, formatPlace } from '#src/config/problems.ts'
import type { Configuration } from '#src/config/types.ts'
import type { Context } from '#src/context.ts'
import { type FactoryError, asFactoryError } from '#src/errors.ts'
import { type InputOptions, type ReleaseInputs, readInputs } from '#src/release/inputs.ts'
import { formatBytes } from '#src/units.ts'

/** What reading the inputs says once more of a file that is known to be missing. */
const saidAlready = ['file-unreadable', 'context-missing']

/**
 * Whether a release could be made of what the configuration names: its files are there, and every image has a digest for
 * every architecture. `checkFiles` rejects with what is missing.
 */
export async function* inputFindings(
  configuration: Configuration,
  options: { registry: InputOptions['registry']; checkFiles: () => Promise<void> },
  ctx: Context,
): AsyncIterable<Finding> {
  const missing = await failureOf(options.checkFiles())
  if (missing) yield* findingsOf(missing)
  let inputs: ReleaseInputs
  try {
    inputs = await readInputs(configuration, { registry: options.registry }, ctx)
  } catch (caught) {
    const error = asFactoryError(caught)
    if (!missing || !saidAlready.includes(error.code)) yield* findingsOf(error)
    return
  }
  yield* readable(configuration, inputs)
}

function* readable(configuration: Configuration, inputs: ReleaseInputs): Iterable<Finding> {
  const { source } = configuration.image
  if (source.kind === 'containerfile' && inputs.context) {
    const { paths, totalBytes } = inputs.context
    const files = paths.length === 1 ? '1 file' : `${paths.length} files`
    const message = `readable; its context has ${files}, ${formatBytes(totalBytes)}`
    yield { severity: 'ok', subject: source.containerfile, message }
  }
  const images = [...inputs.bases, inputs.existing, ...Object.values(inputs.diskBuilders)]
  const digests = new Map(images.flatMap((image) => (image ? [[image.reference, image.digest]] : [])))
  for (const [subject = '', digest = ''] of digests) {
    yield { severity: 'ok', subject, message: `is ${digest}` }
  }
}

/** One finding for each problem, where an error is made of several. */
function findingsOf(error: FactoryError): Finding[] {
  const problems = (error.context['problems'] ?? []) as Problem[]
  if (problems.length === 0) return [finding('inputs', error.message, error.hint)]
  return problems.map(({ place, message, hint }) =>
    finding(formatPlace(place), message, hint ?? (problems.length === 1 ? error.hint : undefined)),
  )
}

function finding(subject: string, message: string, hint: string | undefined): Finding {
  const found = { severity: 'error', subject, message } as const
  return hint === undefined ? found : { ...found, hint }
}

async function failureOf(work: Promise<void>): Promise<FactoryError | undefined> {
  return await work.then(
    () => undefined,
    (error: unknown) => asFactoryError(error),
  )
}
