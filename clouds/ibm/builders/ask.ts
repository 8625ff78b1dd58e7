import type { BuilderSpec, Lease } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError, asFactoryError } from '#src/errors.ts'
import { isNameTaken } from '../failures.ts'
import { rentedName } from '../names.ts'
import type { IbmSettings } from '../settings.ts'
import { runningMachine } from './await-machine.ts'
import { endMachine, freeNames } from './end-machine.ts'
import { instanceRequest } from './instance-request.ts'
import { type Instance, createInstance, instanceNamed, lives } from './instances.ts'
import type { Attempt, LeaseRecord } from './lease-record.ts'
import { markForLease } from './mark-for-lease.ts'

export interface Asking {
  readonly record: LeaseRecord
  readonly spec: BuilderSpec
  readonly lease: Lease
}

const mostTries = 4
/** A machine whose answer was lost shows within seconds. */
const pausesMs = [0, 1_000, 2_000, 4_000]

/**
 * Asks for a machine in each of the ways that the record lists until VPC gives one and it runs. All ways bear one name,
 * which no second machine can have, so the next way is taken only when the machine of the one before is gone.
 */
export async function askForMachine(settings: IbmSettings, asking: Asking, ctx: Context): Promise<Instance> {
  const { record, lease } = asking
  const { attempts } = record.request
  const failures: FactoryError[] = []
  for (const [number, attempt] of attempts.entries()) {
    const place = attempts.length === 1 ? '' : `, way ${number + 1} of ${attempts.length}`
    ctx.emit({ message: `asking for ${described(attempt)} in ${record.region}${place}` })
    try {
      const machine = await ask(settings, asking, attempt, ctx)
      return await startedMachine(settings, record.region, lease, machine, ctx)
    } catch (error) {
      ctx.signal.throwIfAborted()
      const failure = asFactoryError(error)
      if (failure.class !== 'capacity' && failure.class !== 'quota') throw failure
      ctx.log(`no ${described(attempt)} for ${lease.id}: ${failure.message}`)
      failures.push(failure)
    }
  }
  throw usedUp(record, failures)
}

/** Marks a machine and waits until it runs; one for which there is no place is ended, so that its name is free. */
export async function startedMachine(
  settings: IbmSettings,
  region: string,
  lease: Lease,
  machine: Instance,
  ctx: Context,
): Promise<Instance> {
  try {
    await markForLease(settings, machine.crn, lease, ctx)
    return await runningMachine(settings, region, machine, ctx)
  } catch (error) {
    ctx.signal.throwIfAborted()
    if (asFactoryError(error).class === 'capacity') await endMachine(settings, region, lease.id, machine, ctx)
    throw error
  }
}

async function ask(
  settings: IbmSettings,
  { record, spec, lease }: Asking,
  attempt: Attempt,
  ctx: Context,
): Promise<Instance> {
  const { region, request } = record
  const body = await instanceRequest(settings, request, attempt, spec, lease)
  for (let tries = 1; ; tries += 1) {
    try {
      return await createInstance(settings, region, body, ctx)
    } catch (caught) {
      ctx.signal.throwIfAborted()
      const failure = asFactoryError(caught)
      const mayHaveMade = failure.class === 'infra' || isNameTaken(failure)
      if (!mayHaveMade) throw failure
      const made = await lostMachine(settings, region, lease, ctx)
      if (made) {
        ctx.log(`${made.id} was started although its answer was lost`)
        return made
      }
      if (tries === mostTries) throw failure
      if (isNameTaken(failure)) await freeNames(settings, region, lease.id, ctx)
      else if (failure.class !== 'infra') throw failure
      ctx.log(`${failure.message}: once more, under the same name`)
    }
  }
}

async function lostMachine(
  settings: IbmSettings,
  region: string,
  { id, owner }: Lease,
  ctx: Context,
): Promise<Instance | undefined> {
  for (const pauseMs of pausesMs) {
    await ctx.sleep(pauseMs)
    const found = await instanceNamed(settings, region, rentedName('machine', id, owner), ctx)
    if (found && lives(found)) return found
  }
  return undefined
}

/** For people: `bz2-4x16 in eu-es-1`. */
function described({ profile, zone }: Attempt): string {
  return `${profile} in ${zone}`
}

function usedUp({ region, request }: LeaseRecord, failures: readonly FactoryError[]): FactoryError {
  // A quota that is used up stands in the way of all; a zone that is full only of itself.
  const shortage = failures.find((failure) => failure.class === 'capacity') ?? failures[0]
  return new FactoryError({
    code: shortage?.class === 'quota' ? 'ibm-quota' : 'ibm-no-capacity',
    message: `${region} gave no machine in any of ${request.attempts.length} ways; the last one said: ${failures.at(-1)?.message}`,
    class: shortage?.class ?? 'capacity',
    hint:
      shortage?.hint ??
      'Name `profiles` and `subnets` of the cloud in the configuration, or another cloud in `builders`.',
    cause: shortage,
  })
}
