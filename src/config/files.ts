import { stat } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, resolve } from 'node:path'
import type { Path } from './source.ts'

export interface MissingFile {
  code: 'containerfile-missing' | 'file-missing'
  path: Path
  message: string
  hint?: string
}

/**
 * Every file and directory that the configuration names and that is not there; relative names start at `directory`.
 * Looks at the values as they are written, so that a mistake elsewhere in the section hides nothing.
 */
export async function missingFiles(
  value: unknown,
  directory: string,
  { fromGit }: { fromGit: boolean },
): Promise<MissingFile[]> {
  const { image, disk, rebuild } = value as { image?: Written; disk?: Written; rebuild?: Written }
  const elsewhere = fromGit && rebuild?.['git'] !== undefined
  const here = (name: unknown) =>
    elsewhere && typeof name === 'string' && !isAbsolute(name) ? undefined : name
  const secrets = (image?.['secrets'] ?? {}) as Record<string, unknown>
  const found = await Promise.all([
    containerfile(here(image?.['containerfile']), directory),
    named(here(image?.['context']), ['image', 'context'], directory, 'directory'),
    named(image?.['authFile'], ['image', 'authFile'], directory, 'file'),
    named(here(disk?.['config']), ['disk', 'config'], directory, 'file'),
    ...Object.entries(secrets).map(([id, file]) => named(file, ['image', 'secrets', id], directory, 'file')),
  ])
  return found.filter((missing) => missing !== undefined)
}

type Written = Record<string, unknown> | null

async function containerfile(name: unknown, directory: string): Promise<MissingFile | undefined> {
  if (typeof name !== 'string') return undefined
  const path = resolve(directory, name)
  const kind = await kindOf(path)
  if (kind === 'file') return undefined
  const other = await nearby(path, kind)
  const suggestion = other === undefined ? '' : `; did you mean "${other}"?`
  return {
    code: 'containerfile-missing',
    path: ['image', 'containerfile'],
    message: `image.containerfile: ${problem(path, kind, 'file')}${suggestion}`,
    hint: 'Put a Containerfile there, or name yours in image.containerfile.',
  }
}

async function named(
  name: unknown,
  path: Path,
  directory: string,
  expected: 'file' | 'directory',
): Promise<MissingFile | undefined> {
  if (typeof name !== 'string') return undefined
  const absolute = resolve(directory, name)
  const kind = await kindOf(absolute)
  if (kind === expected) return undefined
  return { code: 'file-missing', path, message: `${path.join('.')}: ${problem(absolute, kind, expected)}` }
}

function problem(path: string, kind: Kind, expected: string): string {
  if (kind === 'nothing') return `there is no ${expected} ${path}`
  return `${path} is a ${kind}, not a ${expected}`
}

type Kind = 'file' | 'directory' | 'device' | 'nothing'

async function kindOf(path: string): Promise<Kind> {
  const facts = await stat(path).catch(() => undefined)
  if (facts === undefined) return 'nothing'
  if (facts.isFile()) return 'file'
  return facts.isDirectory() ? 'directory' : 'device'
}

async function nearby(path: string, kind: Kind): Promise<string | undefined> {
  const directory = kind === 'directory' ? path : dirname(path)
  for (const name of ['Containerfile', 'Dockerfile']) {
    if (kind !== 'directory' && basename(path) === name) continue
    const candidate = join(directory, name)
    if ((await kindOf(candidate)) === 'file') return candidate
  }
  return undefined
}
