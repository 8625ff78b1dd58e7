import type { ArchitectureName } from '#arch/index.ts'
import type { ReleaseState } from '#src/journal/replay.ts'
import { imageAt } from '#src/release/outcome.ts'
import type { SummaryRow } from '#src/ui/summary.ts'

/** One row for each destination, and one for each architecture that goes nowhere. */
export function summaryRows(release: ReleaseState): SummaryRow[] {
  return release.builds.flatMap(({ arch }) => {
    const destinations = release.destinations.filter((destination) => destination.arch === arch)
    const common = { arch, ...timeOf(release, arch) }
    if (destinations.length === 0)
      return [{ ...common, boot: failureOf(release, arch) ?? 'built, goes nowhere' }]
    return destinations.map((destination): SummaryRow => {
      const where = `${destination.cloud}/${destination.region}`
      const published = imageAt(release.images, destination)
      if (!published) return { ...common, where, boot: failureOf(release, arch, where) ?? 'not published' }
      const { name, sizeBytes, sha256 } = published.image
      return {
        ...common,
        where,
        name,
        sizeBytes,
        sha256,
        boot: published.verification?.result ?? 'not verified',
      }
    })
  })
}

/** From the first step's start to the last one's end, in milliseconds. */
function timeOf(release: ReleaseState, arch: ArchitectureName): { durationMs?: number } {
  const steps = release.steps.filter((step) => step.arch === arch)
  if (steps.length === 0) return {}
  const ends = steps.map(({ startedAt, durationMs }) => startedAt + (durationMs ?? 0))
  return { durationMs: Math.max(...ends) - Math.min(...steps.map(({ startedAt }) => startedAt)) }
}

function failureOf(release: ReleaseState, arch: ArchitectureName, where?: string): string | undefined {
  const failed = release.steps.find(
    (step) =>
      step.arch === arch && step.state === 'failed' && (step.target === undefined || step.target === where),
  )
  return failed && `${failed.step} failed`
}
