import type { ArchitectureName } from '#arch/index.ts'
import type { Destination, FactoryEvent, StepPlace } from '#src/events.ts'
import { formatDuration } from '#src/units.ts'
import { printable } from './printable.ts'
import { treeRow, type TreeRow } from './tree-row.ts'

type StepEvent = Extract<FactoryEvent, StepPlace>

/** The rows of one architecture: itself with its finished steps, what it does now, and one for each destination. */
export interface TreeBuild {
  readonly row: TreeRow
  /** `text` is the progress in words, for progress events. */
  take(event: StepEvent, text: string): void
  finish(event: { ok: boolean; durationMs: number }): void
  /** Ends what is still open, e.g. after an interruption. */
  settle(): void
}

interface Line {
  readonly row: TreeRow
  readonly name: string
  finished: string[]
  readonly active: Map<string, string>
  readonly tries: Map<string, number>
  failure: string | undefined
}

export function treeBuild(
  arch: ArchitectureName,
  why: string,
  destinations: readonly Destination[],
): TreeBuild {
  const work = line('')
  const targets = new Map(
    destinations.map(({ cloud, region, verify }) => {
      const name = `${cloud}/${region}`
      return [name, { ...line(printable(name)), last: verify ? 'verify' : 'publish' }]
    }),
  )
  const row = treeRow([work.row, ...[...targets.values()].map((target) => target.row)])
  row.show(`${arch}  ${printable(why)}`)

  const showSteps = (end: string) =>
    row.show([`${arch}${end}`, work.finished.join(' · ')].join('  ').trimEnd())

  return {
    row,
    take(event, text) {
      const target = event.target === undefined ? undefined : targets.get(event.target)
      const at = target ?? work
      apply(at, event, text)
      if (at === work) {
        if (event.type === 'step-finished') showSteps('')
        work.row.show([...work.active.values()].join(' · ') || undefined)
        return
      }
      if (at.failure !== undefined) return at.row.fail(at.failure)
      if (at.row.ended) return
      at.row.show([at.name, [...at.finished, ...at.active.values()].join(' · ')].join('  '))
      if (event.type === 'step-finished' && event.step === target?.last) at.row.done()
    },
    finish({ ok, durationMs }) {
      showSteps(` ${ok ? 'complete' : 'not complete'} after ${formatDuration(durationMs)}`)
      this.settle()
    },
    settle() {
      if (work.failure !== undefined) work.row.fail(work.failure)
      for (const target of targets.values()) {
        if (target.row.ended) continue
        if (target.active.size > 0) target.row.fail(`${target.name}  stopped`)
        else target.row.done()
      }
      if (work.row.ended) return
      if (work.active.size > 0) return work.row.fail(`${[...work.active.keys()].join(' · ')}  stopped`)
      work.row.show(undefined)
      work.row.done()
    },
  }
}

function line(name: string): Line {
  return { row: treeRow(), name, finished: [], active: new Map(), tries: new Map(), failure: undefined }
}

function apply(at: Line, event: StepEvent, text: string): void {
  const { step } = event
  const tries = at.tries.get(step) ?? 0
  const name = tries > 1 ? `${step} (try ${tries})` : step
  switch (event.type) {
    case 'step-started': {
      at.tries.set(step, tries + 1)
      at.active.set(step, tries > 0 ? `${step} (try ${tries + 1})` : step)
      return
    }
    case 'step-progress':
      return void at.active.set(step, `${name}  ${text}`)
    case 'step-finished':
      at.active.delete(step)
      return void at.finished.push(`${name} ${formatDuration(event.durationMs)}`)
    case 'step-failed': {
      const why = (event.error.message.split('\n')[0] ?? '').replace(/:$/, '')
      if (event.willRetry) return void at.active.set(step, `${name}  ${printable(why)}; trying again`)
      at.active.delete(step)
      at.failure = [at.name, `${name}  ${printable(why)}`].filter((part) => part !== '').join('  ')
    }
  }
}
