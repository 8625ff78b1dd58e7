import { z } from 'zod'
import type { BuilderSpec, Lease } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError, asFactoryError } from '#src/errors.ts'
import type { OpenstackSettings } from '../settings.ts'
import { runningMachine } from './await-machine.ts'
import { endMachine } from './end.ts'
import { ensureVolume } from './ensure-volume.ts'
import type { Attempt, FrozenRequest } from './lease-record.ts'
import { type Machine, lives, machinesOfLease } from './machines.ts'
import { lookLonger, makeOnce } from './make-once.ts'
import { type Volumes, serverRequest } from './server-request.ts'

/**
 * Asks for a machine in each of the ways that the request lists until Nova gives one and it runs. Only a want of capacity
 * or quota leads to the next way, and only when what the one before made is gone.
 */
export async function askForMachine(
  settings: OpenstackSettings,
  request: FrozenRequest,
  spec: BuilderSpec,
  lease: Lease,
  ctx: Context,
): Promise<Machine> {
  const { region } = settings.configuration
  const failures: FactoryError[] = []
  for (const [number, attempt] of request.attempts.entries()) {
    const place = request.attempts.length === 1 ? '' : `, way ${number + 1} of ${request.attempts.length}`
    ctx.emit({ message: `asking for ${described(attempt)} in ${region}${place}` })
    try {
      return await tryOneWay(settings, { request, attempt }, spec, lease, ctx)
    } catch (error) {
      ctx.signal.throwIfAborted()
      const failure = asFactoryError(error)
      if (failure.class !== 'capacity' && failure.class !== 'quota') throw failure
      ctx.log(`no ${described(attempt)} for ${lease.id}: ${failure.message}`)
      failures.push(failure)
    }
  }
  throw usedUp(region, failures)
}

async function tryOneWay(
  settings: OpenstackSettings,
  { request, attempt }: { request: FrozenRequest; attempt: Attempt },
  spec: BuilderSpec,
  lease: Lease,
  ctx: Context,
): Promise<Machine> {
  const { rootGib, dataGib, imageId } = request
  const root =
    rootGib === undefined
      ? undefined
      : await ensureVolume(settings, { role: 'root', sizeGib: rootGib, imageId }, lease, ctx)
  const data =
    dataGib === 0 ? undefined : await ensureVolume(settings, { role: 'data', sizeGib: dataGib }, lease, ctx)
  const volumes = { root: root?.id, data: data?.id }
  const id = await startServer(settings, { request, attempt, volumes }, spec, lease, ctx)
  try {
    return await runningMachine(settings, id, ctx)
  } catch (error) {
    ctx.signal.throwIfAborted()
    const { class: failureClass } = asFactoryError(error)
    // It stays listed as ERROR until somebody removes it, and holds its volumes.
    if (failureClass === 'capacity' || failureClass === 'quota') await endMachine(settings, id, ctx)
    throw error
  }
}

async function startServer(
  settings: OpenstackSettings,
  asked: { request: FrozenRequest; attempt: Attempt; volumes: Volumes },
  spec: BuilderSpec,
  lease: Lease,
  ctx: Context,
): Promise<string> {
  const { session, configuration } = settings
  const { region } = configuration
  const json = await serverRequest(settings, asked, spec, lease)
  const what = `starting ${described(asked.attempt)}`
  return await makeOnce(
    async () => {
      const request = { service: 'compute', region, what, method: 'POST', path: '/servers', json } as const
      return (await session.json(request, z.object({ server: z.object({ id: z.string() }) }), ctx)).server.id
    },
    () => lookLonger(async () => (await machinesOfLease(settings, lease.id, ctx)).find(lives)?.id, ctx),
    ctx,
  )
}

/** For people: `m1.large in nova`. */
function described({ word, zone }: Attempt): string {
  return `${word}${zone === undefined ? '' : ` in ${zone}`}`
}

function usedUp(region: string, failures: readonly FactoryError[]): FactoryError {
  const [first] = failures
  if (first && failures.length === 1) return first
  // A quota that is used up stands in the way of all; a place that is full only of itself.
  const shortage = failures.find((failure) => failure.class === 'capacity') ?? first
  return new FactoryError({
    code: shortage?.class === 'quota' ? 'openstack-quota' : 'openstack-no-capacity',
    message: `${region} gave no machine in any of ${failures.length} ways; the last one said: ${failures.at(-1)?.message}`,
    class: shortage?.class ?? 'capacity',
    hint: shortage?.hint ?? 'Name more `flavors` or `zones`, or another cloud in `builders`.',
    cause: shortage,
  })
}
