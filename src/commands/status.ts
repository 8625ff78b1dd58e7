import { join } from 'node:path'
import { readQuarantines } from '#clouds/quarantine.ts'
import type { Configuration } from '#src/config/types.ts'
import type { ReleaseState, StepState } from '#src/journal/replay.ts'
import { judge } from '#src/release/outcome.ts'
import { table } from '#src/ui/table.ts'
import { formatDuration } from '#src/units.ts'
import { type ReleaseEngine, engineOf, engineText } from './engine-text.ts'
import { chooseRelease, openState } from './open.ts'
import { spelled } from './spelling.ts'

/** Shows one release step by step, whether it is running, ended or was cut off. */
export async function statusCommand(options: {
  config: string | undefined
  release: string | undefined
  json: boolean
}): Promise<number> {
  const { configuration, state } = await openState(options.config)
  const release = chooseRelease(state, options.release)
  const leases = state.leases.filter(({ lease, released }) => lease.release === release.release && !released)
  const judgement = judge(release, configuration.require)
  const engine = engineOf(configuration.stateDirectory, state, release)
  const leftOut = await placesLeftOut(configuration)
  if (options.json) {
    const { inputs: _inputs, ...facts } = release
    const open = leases.map(({ lease, cloud, purpose, ref, expires }) => ({
      ...lease,
      expires,
      cloud,
      purpose,
      machine: ref?.machine,
    }))
    const outcome = release.outcome ?? 'open'
    const shown = { ...facts, ...judgement, outcome, engine: engine ?? null, leases: open, leftOut }
    process.stdout.write(`${JSON.stringify(shown, undefined, 2)}\n`)
    return 0
  }
  process.stdout.write(
    `Release ${release.release} of ${release.imageName}: ${outcomeText(release, engine)}\n\n`,
  )
  const rows = release.steps.map((step) => [
    step.arch,
    step.step,
    step.target ?? '',
    step.state,
    step.durationMs === undefined ? '' : formatDuration(step.durationMs),
    stepText(step),
  ])
  process.stdout.write(table(['ARCH', 'STEP', 'WHERE', 'STATE', 'TIME', ''], rows))
  for (const { lease, cloud, ref, expires } of leases) {
    process.stdout.write(`Rented: ${ref?.machine ?? lease.id} from ${cloud}, until ${expires}\n`)
  }
  for (const { cloud, place, since, until, reason } of leftOut) {
    process.stdout.write(`Left out: ${place} of ${cloud} since ${since}, until ${until}: ${reason}\n`)
  }
  if (release.outcome !== undefined && release.outcome !== 'done') {
    process.stdout.write(`What is missing is made by: ${spelled('factory release')}\n`)
  }
  return 0
}

/** As the clouds remember it; none of them is asked. */
async function placesLeftOut({ clouds, stateDirectory }: Configuration) {
  const found = await Promise.all(
    Object.keys(clouds).map(async (cloud) => {
      const records = await readQuarantines(join(stateDirectory, 'clouds', cloud))
      return records.map((record) => ({ cloud, ...record }))
    }),
  )
  return found.flat()
}

function outcomeText(release: ReleaseState, engine: ReleaseEngine | undefined): string {
  if (release.outcome === undefined) return engineText(engine)
  const time = release.durationMs === undefined ? '' : ` after ${formatDuration(release.durationMs)}`
  return `${release.outcome}${time}`
}

function stepText(step: StepState): string {
  if (step.error) return `${step.error.message} [${step.error.code}]`
  return step.summary ?? ''
}
