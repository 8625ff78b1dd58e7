import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { ArchitectureName } from '#arch/index.ts'
import { FactoryError } from '#src/errors.ts'
import { stepNames } from '#src/events.ts'
import type { StepName } from '#src/events.ts'
import { jobLogDirectory } from '#src/release/job-log-directory.ts'
import { releaseDirectory } from '#src/release/scope.ts'
import { visible } from '#src/ui/visible.ts'
import { chooseRelease, openState } from './open.ts'

/**
 * Prints the logs of a release in the order of its steps, each under a heading with its file; or, raw, the logs of the
 * jobs that ran on its builders: whole, with escape sequences written out, and not masked.
 */
export async function logsCommand(options: {
  config: string | undefined
  arch: ArchitectureName | undefined
  release?: string
  step?: string
  raw?: boolean
}): Promise<number> {
  const { configuration, state } = await openState(options.config)
  const release = chooseRelease(state, options.release)
  const step = stepNames.find((name) => name === options.step)
  if (options.step !== undefined && step === undefined) throw unknownStep(options.step)

  const architectures = options.arch === undefined ? release.builds.map(({ arch }) => arch) : [options.arch]
  const { stateDirectory } = configuration
  const files: string[] = []
  for (const arch of architectures) {
    const found = options.raw
      ? await jobLogs(jobLogDirectory(stateDirectory, release.release, arch))
      : await stepLogs(join(releaseDirectory(stateDirectory, release.release), arch), step)
    files.push(...found)
  }
  if (files.length === 0)
    process.stderr.write(
      `There are no ${options.arch || step ? 'such logs' : 'logs'} of release ${release.release}.\n`,
    )
  for (const file of files) {
    process.stdout.write(`==> ${file} <==\n`)
    await pipeline(createReadStream(file, 'utf8'), madeVisible, process.stdout, { end: false })
    process.stdout.write('\n')
  }
  return 0
}

async function stepLogs(directory: string, step: StepName | undefined): Promise<string[]> {
  const names = await readdir(directory).catch(() => [])
  const ordered = stepNames.flatMap((name) => names.filter((file) => stepOf(file) === name).toSorted())
  return ordered.filter((file) => !step || stepOf(file) === step).map((file) => join(directory, file))
}

/** In the order in which the jobs ended: their names do not tell. */
async function jobLogs(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch(() => [])
  const files = names.filter((name) => name.endsWith('.log')).map((name) => join(directory, name))
  const dated = await Promise.all(files.map(async (file) => ({ file, endedMs: (await stat(file)).mtimeMs })))
  return dated.toSorted((one, other) => one.endedMs - other.endedMs).map(({ file }) => file)
}

async function* madeVisible(texts: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const text of texts) yield visible(text)
}

function stepOf(file: string): string | undefined {
  return stepNames
    .filter((name) => file === `${name}.log` || file.startsWith(`${name}-`))
    .toSorted((one, other) => other.length - one.length)[0]
}

function unknownStep(step: string): FactoryError {
  return new FactoryError({
    code: 'step-unknown',
    message: `there is no step ${step}`,
    hint: `The steps are: ${stepNames.join(', ')}`,
    class: 'user',
  })
}
