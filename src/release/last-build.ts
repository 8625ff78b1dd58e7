import type { ArchitectureName } from '#arch/index.ts'
import type { StepName } from '#src/events.ts'
import type { FactoryState } from '#src/journal/replay.ts'

const onTheBuilder: readonly StepName[] = ['prepare', 'container', 'push', 'disks', 'collect']

/** Milliseconds that the machine of the last whole build of an architecture was at work; 0 when there was none. */
export function lastBuildMs({ releases }: Pick<FactoryState, 'releases'>, arch: ArchitectureName): number {
  const done = releases
    .map(({ steps }) => steps.filter((step) => step.arch === arch && step.state === 'finished'))
    .findLast((steps) => steps.some(({ step }) => step === 'collect'))
  return (done ?? [])
    .filter(({ step }) => onTheBuilder.includes(step))
    .reduce((sum, { durationMs = 0 }) => sum + durationMs, 0)
}
