import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** In memory where the system has a place for that: what lies there for a moment may be a private key. */
const places = ['/dev/shm', tmpdir()] as const

/** Gives a directory that only we can read, and removes it. */
export async function inTemporaryDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const name = `factory-of-${process.pid}-`
  const inMemory = mkdtemp(join(places[0], name))
  const directory = await inMemory.catch(() => mkdtemp(join(places[1], name)))
  try {
    return await work(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Removes the directories of factories that were killed; whose they are stands in their names. */
export async function removeAbandonedDirectories(): Promise<void> {
  for (const place of places) {
    for (const name of await readdir(place).catch(() => [])) {
      const pid = /^factory-of-(\d+)-/.exec(name)?.[1]
      if (pid === undefined || isAlive(Number(pid))) continue
      // Somebody else's cannot be removed, and is left to him.
      await rm(join(place, name), { recursive: true, force: true }).catch(() => undefined)
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
