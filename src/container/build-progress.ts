import type { Progress } from '#src/context.ts'

const stepLine = /^(?:\[\d+\/\d+\] )?STEP (\d+)\/(\d+): (.+)$/

/** What a line of podman build's output says about its progress; undefined for everything that is no STEP line. */
export function buildProgress(line: string): Progress | undefined {
  const match = stepLine.exec(line)
  if (!match) return undefined
  const instruction = (match[3] ?? '').replace(/\s+/g, ' ').trim()
  return {
    message: instruction.length > 60 ? `${instruction.slice(0, 59)}…` : instruction,
    done: Number(match[1]),
    total: Number(match[2]),
    unit: 'steps',
  }
}
