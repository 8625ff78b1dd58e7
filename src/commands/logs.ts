import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { ArchitectureName } from '#arch/index.ts'
import { FactoryError } from '#src/errors.ts'
import { stepNames } from '#src/events.ts'
import { releaseDirectory } from '#src/release/scope.ts'
import { chooseRelease, openState } from './open.ts'

/** Prints the logs of a release in the order of its steps, each under a heading with its file. */
export async function logsCommand(options: {
  config: string | undefined
  arch: ArchitectureName | undefined
  release?: string
  step?: string
}): Promise<number> {
  const { configuration, state } = await openState(options.config)
  const release = chooseRelease(state, options.release)
  const step = stepNames.find((name) => name === options.step)
  if (options.step !== undefined && step === undefined) throw unknownStep(options.step)

  const architectures = options.arch === undefined ? release.builds.map(({ arch }) => arch) : [options.arch]
  const directory = releaseDirectory(configuration.stateDirectory, release.release)
  const files: string[] = []
  for (const arch of architectures) {
    const names = await readdir(join(directory, arch)).catch(() => [])
    const ordered = stepNames.flatMap((name) => names.filter((file) => stepOf(file) === name).toSorted())
    files.push(
      ...ordered.filter((file) => !step || stepOf(file) === step).map((file) => join(directory, arch, file)),
    )
  }
  if (files.length === 0) process.stderr.write(`There are no such logs of release ${release.release}.\n`)
  for (const file of files) {
    process.stdout.write(`==> ${file} <==\n`)
    await pipeline(createReadStream(file), process.stdout, { end: false })
    process.stdout.write('\n')
  }
  return 0
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
