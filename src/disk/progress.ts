import type { Progress } from '#src/context.ts'

const stageLine = /^(?:Starting module )?(org\.osbuild\.[\w.-]+)(?:: [0-9a-f]{64}.*)?$/
const pipelineLine = /^(?:starting -)?Pipeline (.+?): [0-9a-f]{64}/
const phaseLine = /^(?:\[-\] )?(Manifest generation step|Disk image building step|Image building step)\s*$/

export interface ProgressReader {
  /** What a line of the transcript says about progress; undefined for all that is only output. */
  read(line: string): Progress | undefined
  /** How many stages there will be, once it is known. */
  expect(total: number | undefined): void
  /** Whether the manifest is written: osbuild has started. */
  readonly started: boolean
}

/** The stage that osbuild begins with this line. */
export function stageName(line: string): string | undefined {
  return stageLine.exec(line)?.[1]
}

/** Reads the verbose transcript of bootc-image-builder: it has no progress for machines, so stages are counted. */
export function progressReader(): ProgressReader {
  let total: number | undefined
  let stages = 0
  let started = false
  return {
    get started() {
      return started
    },
    expect(count) {
      total = count
    },
    read(line) {
      const phase = phaseLine.exec(line)?.[1]
      if (phase !== undefined) return { message: phase.replace(/ step$/, '').toLowerCase() }
      const pipeline = pipelineLine.exec(line)?.[1]
      const stage = stageName(line)
      started ||= pipeline !== undefined || stage !== undefined || line.startsWith('Building manifest')
      if (pipeline !== undefined) return { message: `pipeline ${pipeline}` }
      if (stage === undefined) return undefined
      stages += 1
      const known = total !== undefined && stages <= total ? { total } : {}
      return { message: stage, done: stages, ...known, unit: 'steps' }
    },
  }
}
