import type { ArchitectureName } from '#arch/index.ts'
import type { StepName } from '#src/events.ts'
import type { FactoryState, ReleaseState } from '#src/journal/replay.ts'

const onTheBuilder: readonly StepName[] = ['prepare', 'container', 'push', 'disks', 'collect']
/** A step that a restarted engine took up again is told with what was left of it; one of a few builds was whole. */
const lastFew = 3

/** Milliseconds that the machine of the longest of the last builds of an architecture was at work; 0 when there was none. */
export function lastBuildMs({ releases }: Pick<FactoryState, 'releases'>, arch: ArchitectureName): number {
  const builds = releases.map(({ steps }) => stepsOfBuild(steps, arch)).filter((steps) => steps.length > 0)
  const took = builds
    .slice(-lastFew)
    .map((steps) => steps.reduce((sum, { durationMs = 0 }) => sum + durationMs, 0))
  return Math.max(0, ...took)
}

/** Those of a build that came to its end; none of another. */
function stepsOfBuild(steps: ReleaseState['steps'], arch: ArchitectureName): ReleaseState['steps'] {
  const done = steps.filter(
    (one) => one.arch === arch && one.state === 'finished' && onTheBuilder.includes(one.step),
  )
  return done.some(({ step }) => step === 'collect') ? done : []
}
