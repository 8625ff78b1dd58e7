import { RunInstancesCommand } from '@aws-sdk/client-ec2'
import type { BuilderSpec, Lease } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError, asFactoryError } from '#src/errors.ts'
import { type Attempt, attemptOf, clientToken, described } from './attempts.ts'
import { runningMachine } from './await-machine.ts'
import { call } from '../call.ts'
import { isRefusal, lostMachine } from './lost-answer.ts'
import type { LeaseRecord } from './lease-record.ts'
import { type Machine, machineFrom } from './machines.ts'
import { runRequest } from './run-request.ts'
import type { AwsSettings } from '../settings.ts'
import { withSpotRole } from './spot-role.ts'

export interface Asking {
  record: LeaseRecord
  spec: BuilderSpec
  lease: Lease
  /** Machines of the lease that have ended: their tokens are used up. */
  ended: readonly Machine[]
}

const mostTries = 4

/**
 * Asks for a machine in each of the ways that the record lists until EC2 gives one and it runs. Only a want of capacity or
 * quota leads to the next way, and only after a look whether the one before gave a machine all the same.
 */
export async function askForMachine(settings: AwsSettings, asking: Asking, ctx: Context): Promise<Machine> {
  const { record, lease } = asking
  const { attempts } = record.request
  const failures: FactoryError[] = []
  for (const [number, attempt] of attempts.entries()) {
    const place = attempts.length === 1 ? '' : `, way ${number + 1} of ${attempts.length}`
    ctx.emit({ message: `asking for ${described(attempt)} in ${record.region}${place}` })
    try {
      const machine = await ask(settings, asking, number, attempt, ctx)
      return await runningMachine(settings, machine, 'none', ctx).catch(undecided)
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

/** Whether a failure to get a machine leaves it open that there is one: it is of a look, not of the request. */
export function mayHaveMade(failure: unknown): boolean {
  return failure instanceof FactoryError && failuresOfLooks.has(failure)
}

const failuresOfLooks = new WeakSet<FactoryError>()

/** Want of capacity or quota is EC2's word that the machine has ended. */
function undecided(error: unknown): never {
  const failure = asFactoryError(error)
  if (failure.class !== 'capacity' && failure.class !== 'quota') failuresOfLooks.add(failure)
  throw failure
}

async function ask(
  settings: AwsSettings,
  { record, spec, lease, ended }: Asking,
  number: number,
  attempt: Attempt,
  ctx: Context,
): Promise<Machine> {
  const { region, request } = record
  const { ec2Once } = settings.clients(region)
  const before = ended.filter(({ token }) => attemptOf(token, lease.id) === number).length
  const token = clientToken(lease.id, number, before)
  const input = await runRequest(request, attempt, token, spec, lease)
  for (let tries = 1; ; tries += 1) {
    try {
      const answer = await call(`starting ${described(attempt)}`, region, ctx, (options) =>
        ec2Once.send(new RunInstancesCommand(input), options),
      )
      const [instance] = answer.Instances ?? []
      if (instance?.InstanceId !== undefined) return machineFrom(instance, region)
      throw unreadable(region)
    } catch (caught) {
      ctx.signal.throwIfAborted()
      const error = withSpotRole(asFactoryError(caught))
      if (tries === 1 && isRefusal(error)) throw error
      const made = await lostMachine(settings, region, lease.id, error, ctx).catch(undecided)
      if (made) {
        ctx.log(`${made.id} was started although its answer was lost`)
        return made
      }
      if (tries === mostTries || !error.retryable || error.class === 'capacity') throw error
      ctx.log(`${error.message}: once more, with the same token`)
    }
  }
}

function usedUp({ region, request }: LeaseRecord, failures: readonly FactoryError[]): FactoryError {
  const [first] = failures
  // A quota that is used up stands in the way of all; a place that is full only of itself.
  const shortage = failures.find((failure) => failure.class === 'capacity') ?? first
  const names = [...new Set(failures.map(({ context }) => String(context['name'])))].join(', ')
  return new FactoryError({
    code: shortage?.class === 'quota' ? 'aws-quota' : 'aws-no-capacity',
    message: `${region} gave no machine in any of ${request.attempts.length} ways (${names}); the last one said: ${failures.at(-1)?.message}`,
    class: shortage?.class ?? 'capacity',
    hint:
      shortage?.hint ??
      'Name `instanceTypes` and `subnets` of the cloud in the configuration, or another cloud in `builders`.',
    cause: shortage,
  })
}

function unreadable(region: string): FactoryError {
  return new FactoryError({
    code: 'aws-answer-unreadable',
    message: `EC2 in ${region} took the request for a machine and named none in its answer`,
    hint: 'Run the same command again: it looks for that machine first. Is `endpoint` in the configuration right?',
    class: 'infra',
  })
}
