import { readFile } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { FactoryError } from '#src/errors.ts'
import { crossChecks, understood } from './checks.ts'
import { missingFiles } from './files.ts'
import { problemsError } from './problems.ts'
import type { Problem } from './problems.ts'
import { toConfiguration } from './resolve.ts'
import type { FactoryFile } from './schema.ts'
import { readSource } from './source.ts'
import type { Source } from './source.ts'
import type { Configuration } from './types.ts'
import { validate } from './validate.ts'
import type { Validated } from './validate.ts'

export const defaultFileName = 'factory.yaml'

const maxFileBytes = 1024 * 1024

export interface LoadOptions {
  /** Whether the files that it names must be there; not for who only reads what is known. Default true. */
  checkFiles?: boolean
  /** Containerfile, context and config.toml come from `rebuild.git`, where there is one, and need not be here. Default false. */
  fromGit?: boolean
}

/**
 * Reads the configuration; `path` is relative to `cwd` and `factory.yaml` by default. Throws one error of class `user`
 * that names every problem with file:line:column; whatever is returned is complete and consistent.
 */
export async function loadConfiguration(
  path: string | undefined,
  cwd: string,
  environment: NodeJS.ProcessEnv = process.env,
  { checkFiles = true, fromGit = false }: LoadOptions = {},
): Promise<Configuration> {
  const file = resolve(cwd, path ?? defaultFileName)
  const shown = shownName(file, cwd)
  const source = readSource(await readText(file, shown), shown)
  if (!source.readable) throw configurationError(source.problems)
  if (source.value === undefined || source.value === null) throw emptyFile(shown)

  const directory = dirname(file)
  const validated = validate(source)
  const problems = [
    ...source.problems,
    ...validated.problems,
    ...contradictions(validated, source),
    ...(checkFiles ? await missing(source, directory, fromGit) : []),
  ]
  if (problems.length > 0) throw configurationError(problems)
  return toConfiguration(validated.sections as FactoryFile, {
    file,
    directory,
    stateDirectory: stateDirectory(directory, cwd, environment),
    place: source.place,
  })
}

/** Where the journal and the artifacts of a configuration live; `FACTORY_HOME` is relative to `cwd`. */
export function stateDirectory(directory: string, cwd: string, environment: NodeJS.ProcessEnv): string {
  const home = environment['FACTORY_HOME']
  return home === undefined || home === '' ? join(directory, '.factory') : resolve(cwd, home)
}

function contradictions({ sections, faulty }: Validated, source: Source): Problem[] {
  if (typeof source.value !== 'object') return []
  return crossChecks(understood(source.value, sections, faulty)).map(({ path, message }) => ({
    code: 'configuration-invalid',
    place: source.place(path),
    message,
  }))
}

async function missing(source: Source, directory: string, fromGit: boolean): Promise<Problem[]> {
  if (typeof source.value !== 'object') return []
  const files = await missingFiles(source.value, directory, { fromGit })
  return files.map(({ path, ...problem }) => ({ ...problem, place: source.place(path) }))
}

function configurationError(problems: readonly Problem[]): FactoryError {
  return problemsError(problems, {
    code: 'configuration-invalid',
    hint: 'Every key is explained in docs/configuration.md; "factory schema" prints a JSON Schema for your editor.',
  })
}

function emptyFile(shown: string): FactoryError {
  return new FactoryError({
    code: 'configuration-invalid',
    class: 'user',
    message: `${shown} is empty`,
    hint: 'Run "factory init --force" to fill it with a commented example.',
  })
}

async function readText(file: string, shown: string): Promise<string> {
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    throw unreadable(shown, cause)
  })
  if (bytes.byteLength > maxFileBytes) {
    throw new FactoryError({
      code: 'configuration-invalid',
      class: 'user',
      message: `${shown} is larger than 1 MiB, which is no configuration`,
      hint: 'Give the right file with -c FILE.',
    })
  }
  return bytes.toString('utf8')
}

function unreadable(shown: string, cause: NodeJS.ErrnoException): FactoryError {
  if (cause.code === 'ENOENT') {
    return new FactoryError({
      code: 'configuration-missing',
      class: 'user',
      message: `there is no configuration ${shown}`,
      hint: 'Run "factory init" to write a commented example, or name another file with -c FILE.',
      cause,
    })
  }
  return new FactoryError({
    code: 'configuration-unreadable',
    class: 'user',
    message: `the configuration ${shown} cannot be read: ${cause.message}`,
    hint: 'Name a readable file with -c FILE.',
    cause,
  })
}

function shownName(file: string, cwd: string): string {
  const inside = relative(cwd, file)
  return inside.startsWith('..') ? file : inside
}
