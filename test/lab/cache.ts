import { createHash } from 'node:crypto'
import { access, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** Receives one line of progress; the terminal, a log or a test listens. */
export type Report = (line: string) => void

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
  const directory = labCacheDirectory()
  const finished = join(directory, `${name}-${recipeDigest(recipe)}`)
  if (await exists(finished)) return finished

  await mkdir(directory, { recursive: true })
  await removeAbandoned(directory)
  const temporary = join(directory, `.making.${process.pid}.${name}-${recipeDigest(recipe)}`)
  try {
    await make(temporary)
    await moveUnlessPresent(temporary, finished)
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
  return finished
}

async function moveUnlessPresent(temporary: string, finished: string): Promise<void> {
  try {
    await rename(temporary, finished)
  } catch (error) {
    if (!(await exists(finished))) throw error
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
