import type { BuilderSpec, Lease } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { type FailureClass, asFactoryError } from '#src/errors.ts'
import type { IbmArchitecture } from '../config.ts'
import { rentedName } from '../names.ts'
import type { IbmSettings } from '../settings.ts'
import { askForMachine, startedMachine } from './ask.ts'
import { endMachine } from './end-machine.ts'
import { freezeRequest } from './freeze.ts'
import { type Instance, instanceNamed, lives } from './instances.ts'
import { type FrozenRequest, readRecord, writeRecord } from './lease-record.ts'

export interface Rented {
  readonly machine: Instance
  readonly region: string
  readonly user: string
  /** Missing when the record of the lease is lost. */
  readonly request?: FrozenRequest
}

/** What VPC answered so has made nothing. */
const refusals: readonly FailureClass[] = ['user', 'permission', 'capacity', 'quota']

/** The machine of a lease: the one that has its name already, whoever asked for it and whether or not the answer was lost, else a new one. */
export async function rent(
  settings: IbmSettings,
  spec: BuilderSpec,
  lease: Lease,
  ctx: Context,
): Promise<Rented> {
  const known = await readRecord(settings, lease.id)
  const region = known?.region ?? spec.image?.region ?? settings.configuration.region
  const there = await instanceNamed(settings, region, rentedName('machine', lease.id, lease.owner), ctx)
  const machine = there && lives(there) ? await adopted(settings, region, lease, there, ctx) : undefined
  if (machine) {
    const user = known?.request.user ?? userOf(settings, spec)
    return { machine, region, user, ...(known ? { request: known.request } : {}) }
  }
  // One that has powered itself off, or failed, holds the name.
  if (there && !lives(there)) await endMachine(settings, region, lease.id, there, ctx)
  const record = known
    ? { ...known, outcome: 'asked' }
    : await freezeRequest(settings, spec, lease, region, ctx)
  if (known && known.outcome !== 'asked') await writeRecord(settings, lease.id, record)
  try {
    const machine = await askForMachine(settings, { record, spec, lease }, ctx)
    await writeRecord(settings, lease.id, { ...record, outcome: machine.id })
    return { machine, region, user: record.request.user, request: record.request }
  } catch (error) {
    ctx.signal.throwIfAborted()
    if (refusals.includes(asFactoryError(error).class))
      await writeRecord(settings, lease.id, { ...record, outcome: 'refused' })
    throw error
  }
}

/** The machine that an earlier call asked for; undefined when there was no place for it, and it has been ended: other ways are left. */
async function adopted(
  settings: IbmSettings,
  region: string,
  lease: Lease,
  there: Instance,
  ctx: Context,
): Promise<Instance | undefined> {
  ctx.log(`${lease.id} has ${there.id} in ${region} already`)
  try {
    return await startedMachine(settings, region, lease, there, ctx)
  } catch (error) {
    ctx.signal.throwIfAborted()
    const failure = asFactoryError(error)
    if (failure.class !== 'capacity') throw failure
    ctx.log(failure.message)
    return undefined
  }
}

/** Without a record only the configuration can tell. */
function userOf({ configuration }: IbmSettings, { arch, image }: BuilderSpec): string {
  return image ? 'root' : (configuration.base[arch as IbmArchitecture]?.user ?? 'root')
}
