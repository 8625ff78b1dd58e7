import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { Stats } from 'node:fs'
import { lstat, readFile, readdir, readlink, realpath } from 'node:fs/promises'
import { dirname, isAbsolute, join, posix, relative } from 'node:path'
import {
  refuseChanged,
  refuseEscape,
  refuseKind,
  refuseLarge,
  refuseName,
  refuseRoot,
} from './context-refusals.ts'
import { readIgnoreRules } from './ignore-rules.ts'
import type { IgnoreRules } from './ignore-rules.ts'

/** A build context: what is sent to every builder, and a name for its content. */
export interface BuildContext {
  /** Relative paths with slashes, directories before what is in them, sorted. */
  paths: string[]
  totalBytes: number
  /** Hex sha256 over paths, modes, link targets and contents; not over times and owners. */
  digest: string
  /** What of ours lies in the directory and is not part of it: relative paths. */
  leftOut: readonly string[]
}

export interface ContextOptions {
  /** Refuse files larger than this, in bytes; default 1 GiB. A forgotten disk image is the usual one. */
  maxFileBytes?: number
  /** Relative paths that are sent although they are ignored: the Containerfile, when it lies in the context. */
  always?: readonly string[]
  /** Relative paths that are no part of it, with everything below them: what belongs to the factory itself, and secrets. */
  leftOut?: readonly string[]
}

const ignoreFiles = ['.containerignore', '.dockerignore']
const defaultMaxFileBytes = 1024 ** 3
const readBytes = 1024 ** 2

/**
 * Lists a build context as podman would take it, `.containerignore` (else `.dockerignore`) honoured. The ignore file
 * itself is always sent, for podman reads it again over there. Throws `context-symlink-escapes`,
 * `context-file-too-large`, `context-file-kind`, `context-file-name`, `context-ignore-broken`, `context-changed`,
 * `context-missing`.
 */
export async function listContext(directory: string, options: ContextOptions = {}): Promise<BuildContext> {
  const root = await realpath(directory).catch((error: unknown) => {
    throw refuseRoot(directory, error)
  })
  if (!(await lstat(root)).isDirectory()) throw refuseRoot(directory)
  const { name: ignoreFile, text } = await readIgnoreFile(root)
  const rules = readIgnoreRules(text, join(directory, ignoreFile))
  const always = new Set([...(options.always ?? []), ignoreFile])
  const maxFileBytes = options.maxFileBytes ?? defaultMaxFileBytes

  const paths = new Set<string>()
  const leftOut = options.leftOut ?? []
  for await (const path of walk(root, '', rules, always, new Set(leftOut))) {
    for (let parent = posix.dirname(path); parent !== '.'; parent = posix.dirname(parent)) paths.add(parent)
    paths.add(path)
  }
  const sorted = [...paths].toSorted()
  const hash = createHash('sha256')
  let totalBytes = 0
  for (const path of sorted) {
    const stats = await lstat(join(root, path)).catch((error: unknown) => {
      throw refuseChanged(path, error)
    })
    if (stats.isFile() && stats.size > maxFileBytes)
      throw refuseLarge(path, stats.size, maxFileBytes, ignoreFile)
    if (stats.isFile()) totalBytes += stats.size
    await addEntry(hash, root, path, stats, ignoreFile)
  }
  return { paths: sorted, totalBytes, digest: hash.digest('hex'), leftOut }
}

async function readIgnoreFile(root: string): Promise<{ name: string; text: string }> {
  for (const name of ignoreFiles) {
    const text = await readFile(join(root, name), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw refuseChanged(name, error)
    })
    if (text !== undefined) return { name, text }
  }
  return { name: '.containerignore', text: '' }
}

async function* walk(
  root: string,
  directory: string,
  rules: IgnoreRules,
  always: ReadonlySet<string>,
  leftOut: ReadonlySet<string>,
): AsyncGenerator<string> {
  const entries = await readdir(join(root, directory), { withFileTypes: true }).catch((error: unknown) => {
    throw refuseChanged(directory || '.', error)
  })
  for (const entry of entries) {
    const path = posix.join(directory, entry.name)
    if (leftOut.has(path)) continue
    const ignored = !always.has(path) && rules.ignores(path)
    if (!ignored) {
      if (entry.name.includes('\ufffd')) throw refuseName(path)
      yield path
    }
    const mayHoldMore = !ignored || !rules.final || [...always].some((kept) => kept.startsWith(`${path}/`))
    if (entry.isDirectory() && mayHoldMore) yield* walk(root, path, rules, always, leftOut)
  }
}

/** Every field ends with a NUL or has a fixed length, so that no two trees give the same bytes. */
async function addEntry(
  hash: Hash,
  root: string,
  path: string,
  stats: Stats,
  ignoreFile: string,
): Promise<void> {
  const mode = (stats.mode & 0o7777).toString(8)
  if (stats.isDirectory()) hash.update(`directory\0${path}\0${mode}\0`)
  else if (stats.isSymbolicLink()) {
    const target = await readlink(join(root, path))
    if (await leaves(root, path, target)) throw refuseEscape(path, target, ignoreFile)
    hash.update(`link\0${path}\0${target}\0`)
  } else if (stats.isFile()) {
    hash.update(`file\0${path}\0${mode}\0`)
    hash.update(await fileDigest(join(root, path), path, stats.size))
  } else throw refuseKind(path, ignoreFile)
}

/** A link leaves the tree by what it says, or by what it leads to through other links. */
async function leaves(root: string, path: string, target: string): Promise<boolean> {
  if (isAbsolute(target)) return true
  const outside = (place: string) => place === '..' || place.startsWith('../')
  if (outside(posix.join(posix.dirname(path), target))) return true
  const end = await realpath(join(root, dirname(path), target)).catch(() => undefined)
  return end !== undefined && outside(relative(root, end))
}

/** Most files of a context are small: each read takes as much memory as it may bring. */
async function fileDigest(file: string, path: string, sizeBytes: number): Promise<Buffer> {
  const hash = createHash('sha256')
  const highWaterMark = Math.min(readBytes, sizeBytes + 1)
  try {
    for await (const bytes of createReadStream(file, { highWaterMark })) hash.update(bytes as Buffer)
  } catch (error) {
    throw refuseChanged(path, error)
  }
  return hash.digest()
}
