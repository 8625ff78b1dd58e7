import { createHash } from 'node:crypto'
import { access, mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname, join } from 'node:path'

/** Receives one line of progress; the terminal, a log or a test listens. */
export type Report = (line: string) => void

const unusedLimitMs = 3 * 24 * 60 * 60_000

/** The folder under the user's cache directory where everything the lab makes is kept between runs. */
export function labCacheDirectory(): string {
  const base = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  return join(base, 'image-factory', 'lab')
}

/** Twelve hex digits that change whenever anything in the recipe changes: the identity of what the recipe makes. */
export function recipeDigest(recipe: unknown): string {
  return createHash('sha256').update(JSON.stringify(recipe)).digest('hex').slice(0, 12)
}

/**
 * Gives the path of `<name>-<digest of the recipe>` in the cache and makes it first when it is not there. `make` gets a
 * temporary path that does not exist yet; only a finished result gets the final name, so a killed run never leaves a
 * half one that counts. Two processes making the same thing end with the one that finished first.
 */
export async function cached(
  name: string,
  recipe: unknown,
  make: (temporaryPath: string) => Promise<void>,
): Promise<string> {
  const finished = join(labCacheDirectory(), `${name}-${recipeDigest(recipe)}`)
  const underWay = beingMade.get(finished)
  if (underWay) return underWay
  const made = findOrMake(name, finished, make).finally(() => beingMade.delete(finished))
  beingMade.set(finished, made)
  return made
}

/** What this process is about to have, by its final path: whoever asks meanwhile waits for the same one. */
const beingMade = new Map<string, Promise<string>>()

async function findOrMake(
  name: string,
  finished: string,
  make: (temporaryPath: string) => Promise<void>,
): Promise<string> {
  if (await exists(finished)) return touched(finished)
  const directory = dirname(finished)
  await mkdir(directory, { recursive: true })
  await removeAbandoned(directory)
  const temporary = join(directory, `.making.${process.pid}.${basename(finished)}`)
  try {
    await make(temporary)
    // An unpacked archive is as old as its own time says, and would be taken for unused.
    await touched(temporary)
    await moveUnlessPresent(temporary, finished)
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
  await removeUnused(directory, name)
  return touched(finished)
}

/** Time of last use, for what `removeUnused` decides; a tree from an archive comes with a time of its own. */
async function touched(path: string): Promise<string> {
  const now = new Date()
  await utimes(path, now, now)
  return path
}

async function moveUnlessPresent(temporary: string, finished: string): Promise<void> {
  try {
    await rename(temporary, finished)
  } catch (error) {
    if (!(await exists(finished))) throw error
  }
}

/** What an older recipe of the same name made takes half a gigabyte; it stays a while for another checkout that uses it. */
async function removeUnused(directory: string, name: string): Promise<void> {
  for (const entry of await readdir(directory)) {
    const [, sibling] = /^(.+)-[0-9a-f]{12}$/.exec(entry) ?? []
    if (sibling !== name) continue
    const path = join(directory, entry)
    if (Date.now() - (await stat(path)).mtimeMs > unusedLimitMs)
      await rm(path, { recursive: true, force: true })
  }
}

async function removeAbandoned(directory: string): Promise<void> {
  for (const entry of await readdir(directory)) {
    const owner = /^\.making\.(\d+)\./.exec(entry)?.[1]
    if (owner === undefined || isAlive(Number(owner))) continue
    await rm(join(directory, entry), { recursive: true, force: true })
  }
}

function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch {
    return false
  }
}
