import { FactoryError } from '#src/errors.ts'
import { formatBytes } from '#src/units.ts'

/** The directory is not there, or is none. */
export function refuseRoot(directory: string, cause?: unknown): FactoryError {
  return refusal(
    'context-missing',
    `the build context ${directory} is no directory`,
    'Correct image.context in the configuration.',
    cause,
  )
}

/** A symbolic link would mean something else, or nothing, on the builder. */
export function refuseEscape(path: string, target: string, ignoreFile: string): FactoryError {
  return refusal(
    'context-symlink-escapes',
    `${path} in the build context is a symbolic link to ${target}, which is outside of the context`,
    `Leave it out (a line ${ignoreLine(path)} in ${ignoreFile}), copy the file into the context, or make the link in the Containerfile: RUN ln -s …`,
  )
}

/** A file that large is there by mistake more often than not. */
export function refuseLarge(path: string, bytes: number, maxBytes: number, ignoreFile: string): FactoryError {
  return refusal(
    'context-file-too-large',
    `${path} in the build context has ${formatBytes(bytes)}; files of more than ${formatBytes(maxBytes)} are not sent`,
    `Leave it out: add the line ${ignoreLine(path)} to ${ignoreFile} in the context's directory.`,
  )
}

/** Sockets, devices and pipes have no content to send. */
export function refuseKind(path: string, ignoreFile: string): FactoryError {
  return refusal(
    'context-file-kind',
    `${path} in the build context is neither a file nor a directory nor a symbolic link`,
    `Leave it out: add the line ${ignoreLine(path)} to ${ignoreFile} in the context's directory.`,
  )
}

/** Names that are no UTF-8 cannot be told apart reliably. */
export function refuseName(path: string): FactoryError {
  return refusal(
    'context-file-name',
    `the name ${JSON.stringify(path)} in the build context is not UTF-8`,
    'Rename the file.',
  )
}

/** Somebody writes into the directory while it is read. */
export function refuseChanged(path: string, cause: unknown): FactoryError {
  return refusal(
    'context-changed',
    `${path} in the build context cannot be read, or went away meanwhile`,
    'Look at its permissions, and let nothing write into the context during a release.',
    cause,
  )
}

function ignoreLine(path: string): string {
  return `"${path.replaceAll(/[\\*?[]/g, String.raw`\$&`)}"`
}

function refusal(code: string, message: string, hint: string, cause?: unknown): FactoryError {
  return new FactoryError({ code, message, hint, class: 'user', ...(cause === undefined ? {} : { cause }) })
}
