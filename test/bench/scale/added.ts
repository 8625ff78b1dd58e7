import type { StepName } from '#src/events.ts'
import { stepNames } from '#src/events.ts'
import { readJournal } from '#src/journal/journal.ts'
import type { Ledger, Span } from './ledger.ts'
import type { ServedImage } from './world.ts'

/** Milliseconds of the steps of one name. */
export interface StepTimes {
  step: StepName
  /** From its start to its end. */
  whole: number[]
  /** Of it, what neither machine nor cloud spent: ours, the network's, and the waiting for our processors. */
  added: number[]
}

/**
 * What the orchestrator adds to each step: its time without the spans in which the cloud had a call, the machine booted,
 * ran a command or a job.
 */
export function addedTimes(images: readonly ServedImage[], ledger: Ledger): StepTimes[] {
  const times = new Map<StepName, StepTimes>(stepNames.map((step) => [step, { step, whole: [], added: [] }]))
  for (const { name, stateDirectory } of images) {
    using journal = readJournal(stateDirectory)
    const machines = ledger.machines.filter(({ owner }) => owner === name)
    const published = ledger.images.filter(({ owner }) => owner === name)
    for (const record of journal.read()) {
      if (record.type !== 'step-finished') continue
      const { arch, step, target, at, durationMs } = record
      const span = { from: at - durationMs, to: at }
      const purpose = target === undefined ? 'build' : 'verify'
      const busy = [
        ...machines.filter((machine) => machine.arch === arch && machine.purpose === purpose),
        ...(step === 'publish' ? published.filter(({ image }) => image.arch === arch) : []),
      ].flatMap((one) => one.busy)
      times.get(step)?.whole.push(durationMs)
      times.get(step)?.added.push(durationMs - covered(span, busy))
    }
  }
  return [...times.values()].filter(({ whole }) => whole.length > 0)
}

/** Milliseconds of a span that others cover, however they overlap. */
function covered(span: Span, others: readonly Span[]): number {
  let sum = 0
  let at = span.from
  for (const { from, to } of others.toSorted((one, other) => one.from - other.from)) {
    const begin = Math.max(from, at)
    const end = Math.min(to, span.to)
    if (end <= begin) continue
    sum += end - begin
    at = end
  }
  return sum
}
