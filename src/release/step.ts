import { createWriteStream, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import type { ErrorFacts, StepPlace } from '#src/events.ts'
import type { FactoryError } from '#src/errors.ts'
import { sleep } from '#src/sleep.ts'
import { withTimeLimit } from '#src/time-limit.ts'
import { type ReleaseScope, releaseDirectory } from './scope.ts'

export interface StepResult<T> {
  result: T
  /** One line for people: what came out, with figures. */
  summary: string
}

export interface StepOptions {
  /** Milliseconds until the step is given up. */
  limitMs: number
  /** Another signal than the release's, for work that must happen although the release was stopped. */
  signal?: AbortSignal
}

/**
 * Runs one step: intent in the journal, then the work with its deadline, log file and progress, then the
 * outcome in the journal. Failures come out as FactoryError with secrets masked.
 */
export async function runStep<T>(
  scope: ReleaseScope,
  place: StepPlace,
  options: StepOptions,
  work: (ctx: Context) => Promise<StepResult<T>>,
): Promise<T> {
  const { journal, release, listener, now } = scope
  const startedAt = now()
  journal.append({ type: 'step-started', release, ...place })
  listener({ type: 'step-started', at: startedAt, ...place })
  const log = openStepLog(scope, place)
  try {
    const { result, summary } = await withTimeLimit(
      `the step ${place.step} of ${place.arch}`,
      options.limitMs,
      options.signal ?? scope.signal,
      (signal) => work(stepContext(scope, place, signal, log.write)),
      `See what it did with: factory logs ${place.arch} --step ${place.step}; more time comes from limits in the configuration.`,
    )
    const durationMs = now() - startedAt
    journal.append({ type: 'step-finished', release, ...place, durationMs, summary })
    listener({ type: 'step-finished', at: now(), ...place, durationMs, summary })
    return result
  } catch (caught) {
    const error = asFactoryError(caught)
    const durationMs = now() - startedAt
    const facts = errorFacts(error, scope.mask)
    told.add(error)
    log.write(`${facts.code}: ${facts.message}`)
    journal.append({ type: 'step-failed', release, ...place, durationMs, error: facts })
    listener({ type: 'step-failed', at: now(), ...place, durationMs, error: facts, willRetry: false })
    throw error
  } finally {
    await log.close()
  }
}

const told = new WeakSet<FactoryError>()

/** Whether a step has told this failure to everybody who listens. */
export function wasTold(error: FactoryError): boolean {
  return told.has(error)
}

/** What of an error may be shown, kept and sent: everything but stack, cause and secrets. */
export function errorFacts(error: FactoryError, mask: (text: string) => string): ErrorFacts {
  const { code, message, hint } = error
  const shown = { code, class: error.class, message: mask(message) }
  return hint === undefined ? shown : { ...shown, hint: mask(hint) }
}

/** The file that holds a step's output: `publish` and `verify` have one for each target. */
export function stepLogFile(stateDirectory: string, release: string, place: StepPlace): string {
  const target = place.target === undefined ? '' : `-${place.target.replaceAll(/[^A-Za-z0-9.-]/g, '_')}`
  return join(releaseDirectory(stateDirectory, release), place.arch, `${place.step}${target}.log`)
}

function openStepLog(scope: ReleaseScope, place: StepPlace) {
  const file = stepLogFile(scope.stateDirectory, scope.release, place)
  mkdirSync(join(file, '..'), { recursive: true, mode: 0o700 })
  const stream = createWriteStream(file, { flags: 'a', mode: 0o600 })
  let broken: Error | undefined
  stream.on('error', (error) => {
    broken = error
  })
  return {
    write: (line: string) =>
      void stream.write(`${new Date(scope.now()).toISOString()} ${scope.mask(line)}\n`),
    async close() {
      stream.end()
      await finished(stream).catch(() => undefined)
      if (broken) {
        const message = `the log ${file} is not complete: ${broken.message}`
        scope.listener({ type: 'warning', at: scope.now(), message, arch: place.arch })
      }
    },
  }
}

function stepContext(
  scope: ReleaseScope,
  place: StepPlace,
  signal: AbortSignal,
  write: (line: string) => void,
): Context {
  const { listener, now, mask } = scope
  return {
    signal,
    now,
    sleep: (ms) => sleep(ms, signal),
    emit: (progress) =>
      listener({
        type: 'step-progress',
        at: now(),
        ...place,
        progress: { ...progress, message: mask(progress.message) },
      }),
    log(line) {
      write(line)
      listener({ type: 'step-log', at: now(), ...place, line: mask(line) })
    },
  }
}
