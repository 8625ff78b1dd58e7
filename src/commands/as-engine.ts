import { hostname } from 'node:os'
import { FactoryError } from '#src/errors.ts'
import { type Engine, enterEngine } from '#src/journal/engine.ts'
import { readJournal } from '#src/journal/journal.ts'
import { userName } from '#src/user-name.ts'
import { otherFactory } from './other-factory.ts'

/**
 * Does something short that writes into the journal. Where `factory serve` is at work it is asked to do it instead, and
 * its answer is returned unchecked; another command is not waited for.
 */
export async function asEngine<T>(
  stateDirectory: string,
  {
    here,
    there,
  }: { here: (engine: Engine) => Promise<T>; there: { path: string; body: object; answerMs?: number } },
): Promise<T> {
  const entered = enterEngine(stateDirectory)
  if ('engine' in entered) {
    using engine = entered.engine
    if (engine.warning !== undefined) process.stderr.write(`Warning: ${engine.warning}\n`)
    return await here(engine)
  }
  const { callFactory } = await import('#src/web/client.ts')
  try {
    return (await callFactory({ stateDirectory }, 'POST', there.path, there.body, there.answerMs)) as T
  } catch (error) {
    if (error instanceof FactoryError && error.code === 'factory-not-serving') throw busy(stateDirectory)
    throw error
  }
}

/** Who says something: `user@host`. */
export function whoAmI(): string {
  return `${userName()}@${hostname()}`
}

function busy(stateDirectory: string): FactoryError {
  using journal = readJournal(stateDirectory)
  const { pid, makesRelease } = otherFactory(stateDirectory, journal.state())
  const process = pid === undefined ? '' : ` (process ${pid})`
  return new FactoryError({
    code: 'factory-busy',
    message: makesRelease
      ? `a release is being made from this configuration${process}`
      : `another factory command is at work on this configuration${process}`,
    hint: 'Run the same command again when it has ended; whether it has: factory status',
    class: 'user',
  })
}
