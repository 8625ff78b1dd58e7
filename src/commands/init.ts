import { access, writeFile } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { defaultFileName } from '#src/config/load.ts'
import { starterFile } from '#src/config/starter.ts'
import { FactoryError } from '#src/errors.ts'
import { spelled } from './spelling.ts'

export interface InitOptions {
  cwd: string
  /** Relative to `cwd`; `factory.yaml` by default. */
  file?: string | undefined
  /** Overwrites what is there. */
  force: boolean
}

/** Writes a commented starter configuration and prints what to do next; refuses to overwrite without `force`. */
export async function initCommand(
  options: InitOptions,
  print: (text: string) => void = (text) => process.stdout.write(text),
): Promise<void> {
  const file = resolve(options.cwd, options.file ?? defaultFileName)
  const shown = relative(options.cwd, file)
  await writeFile(file, starterFile, { flag: options.force ? 'w' : 'wx' }).catch(
    (cause: NodeJS.ErrnoException) => {
      throw notWritten(shown, cause)
    },
  )
  const containerfile = join(dirname(file), 'Containerfile')
  const hasContainerfile = await access(containerfile).then(
    () => true,
    () => false,
  )
  const next = hasContainerfile
    ? ''
    : `Put a Containerfile beside it, or name yours in image.containerfile.\nIt begins FROM a bootc image, like quay.io/fedora/fedora-bootc:44; README.md shows a small one.\n`
  print(
    `wrote ${shown}\n${next}${spelled('Next: edit it (docs/clouds/ has a page for each cloud), then "factory doctor" and "factory plan".')}\n`,
  )
}

function notWritten(shown: string, cause: NodeJS.ErrnoException): FactoryError {
  if (cause.code === 'EEXIST') {
    return new FactoryError({
      code: 'configuration-exists',
      class: 'user',
      message: `there is a ${shown} already, and it was left as it is`,
      hint: 'Write another file with -c FILE, or overwrite this one with "factory init --force".',
      cause,
    })
  }
  return new FactoryError({
    code: 'configuration-unwritable',
    class: 'user',
    message: `${shown} cannot be written: ${cause.message}`,
    hint: 'Run "factory init" in a directory that exists and that you may write to.',
    cause,
  })
}
