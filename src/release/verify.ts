import type { ArchitectureName } from '#arch/index.ts'
import type { Cloud, Image } from '#clouds/types.ts'
import { identityFile } from '#src/container/scripts.ts'
import { FactoryError, asFactoryError } from '#src/errors.ts'
import type { PlannedDestination } from '#src/journal/records.ts'
import type { Verification } from '#src/journal/images.ts'
import { formatDuration } from '#src/units.ts'
import { type Rented, withMachine } from './lease.ts'
import { imageAt } from './outcome.ts'
import { budgets, withRetries } from './retries.ts'
import { type ReleaseScope, releaseContext } from './scope.ts'
import { stateOf } from './state.ts'
import { runStep } from './step.ts'

/**
 * Boots a published image where it was published and asks it over SSH who it is. The answer must be the
 * identity that the build put in; anything else fails the destination, and the manifest says so.
 */
export async function verify(
  scope: ReleaseScope,
  destination: PlannedDestination,
  identity: string,
  cloud: Cloud,
  image: Image,
): Promise<void> {
  const { arch, region } = destination
  const record = (verification: Verification) =>
    scope.journal.append({
      type: 'image-verified',
      release: scope.release,
      imageId: image.id,
      arch,
      cloud: cloud.name,
      region,
      ...verification,
    })
  if (imageAt(stateOf(scope).images, destination)?.verification?.result === 'passed') return
  const wanted = scope.configuration.publish.some(
    ({ to, architectures, verify: asked }) => to === cloud.name && architectures.includes(arch) && asked,
  )
  if (!wanted) return record({ result: 'not verified', how: 'turned off by verify: false' })
  const verdict = cloud.builders?.offers(arch, region)
  if (verdict?.ok === false) return record({ result: 'not verified', how: verdict.reason })
  if (!destination.verify) return record({ result: 'not verified', how: 'the plan was made without it' })
  const pool = cloud.builders
  if (!pool) return record({ result: 'not verified', how: `${cloud.name} cannot start machines` })

  const target = `${cloud.name}/${region}`
  const request = { arch, cloud: cloud.name, pool, purpose: 'verify', dataBytes: 0, image, target } as const
  const ask = () =>
    withMachine(scope, request, (rented) => askIdentity(scope, destination, identity, rented, record))
  const told = { ...releaseContext(scope), log: (message: string) => warnAgain(scope, arch, message) }
  try {
    await withRetries('the boot check', budgets.verify, told, ask)
  } catch (error) {
    if (!scope.signal.aborted) record({ result: 'failed', how: scope.mask(asFactoryError(error).message) })
    throw error
  }
}

async function askIdentity(
  scope: ReleaseScope,
  destination: PlannedDestination,
  identity: string,
  rented: Rented,
  record: (verification: Verification) => void,
): Promise<void> {
  const { arch, cloud, region } = destination
  const place = { arch, step: 'verify', target: `${cloud}/${region}` } as const
  await runStep(scope, place, { limitMs: scope.configuration.limits.boot }, async (ctx) => {
    const startedAt = ctx.now()
    ctx.emit({ message: `waiting for ${rented.ref.machine} to boot and answer` })
    await using machine = await scope.openBuilder(rented.ref, rented.login, ctx)
    const bootMs = ctx.now() - startedAt
    const said = (await machine.exec(['uname', '-m'])).stdout.trim()
    if (said !== arch) throw wrongIdentity(rented.ref.machine, `architecture ${arch}`, said)
    if (identity !== '') {
      const answer = (await machine.exec(['cat', identityFile], { accept: 'any' })).stdout
      if (answer.trim() !== identity.trim()) throw wrongIdentity(rented.ref.machine, identity, answer)
    }
    const how = identity === '' ? 'booted and answered over SSH' : 'booted and said its identity over SSH'
    record({ result: 'passed', how, bootMs })
    return { result: undefined, summary: `${how} after ${formatDuration(bootMs)}` }
  })
}

function warnAgain(scope: ReleaseScope, arch: ArchitectureName, message: string): void {
  const text = scope.mask(`${message}: once more on a fresh machine`)
  scope.listener({ type: 'warning', at: scope.now(), arch, message: text })
}

function wrongIdentity(machine: string, expected: string, said: string): FactoryError {
  const shown = (text: string) => JSON.stringify(text.trim().slice(0, 200))
  return new FactoryError({
    code: 'image-wrong-identity',
    message: `${machine} booted but says ${shown(said)} instead of ${shown(expected)}`,
    hint: 'The image is not what this release built: look at the verify log (factory logs) and publish it again.',
    class: 'bug',
  })
}
