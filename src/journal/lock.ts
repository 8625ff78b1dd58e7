import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { FactoryError } from '#src/errors.ts'

/**
 * Makes this process the only engine of a state directory. The lock is SQLite's lock on a file of its own,
 * which the kernel frees however the process ends, so no stale lock can stay behind.
 */
export function lockEngine(stateDirectory: string): Disposable {
  mkdirSync(stateDirectory, { recursive: true, mode: 0o700 })
  const database = new DatabaseSync(join(stateDirectory, 'engine.lock'), { timeout: 0 })
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    throw new FactoryError({
      code: 'release-running',
      message: `another factory is working in ${stateDirectory}`,
      hint: 'Watch it with `factory status`, or wait until it has ended.',
      class: 'user',
      cause: error,
    })
  }
  return { [Symbol.dispose]: () => database.close() }
}
