import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { type Machine, describeMachine, lives } from './machines.ts'
import type { AwsSettings } from '../settings.ts'
import { until } from '../wait.ts'

const runLimitMs = 5 * 60_000
/** A public address comes with the machine, or a moment later; after this it will not. */
const addressLimitMs = 60_000

/** Why EC2 itself ended a machine: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html */
const noCapacity = /^Server\.(InsufficientInstanceCapacity|SpotInstance\w+)$/
const noQuota = /^Client\.\w*LimitExceeded$/

/**
 * Waits until a machine runs and has the address that it is reached at, unless none is needed. Throws, class capacity or
 * quota, when EC2 took it back for want of those; `aws-machine-ended` when it ended otherwise.
 */
export async function runningMachine(
  settings: AwsSettings,
  started: Machine,
  address: 'public' | 'private' | 'none',
  ctx: Context,
): Promise<Machine> {
  const { id, region } = started
  const isReady = (machine: Machine) =>
    machine.state === 'running' && (address === 'none' || addressOf(machine, address) !== undefined)
  if (isReady(started)) return started
  ctx.emit({ message: `waiting for ${id} to run in ${region}` })
  let runsSince: number | undefined
  return await until(`starting ${id} in ${region}`, runLimitMs, ctx, async () => {
    const machine = await describeMachine(settings, region, id, ctx)
    // What has just been made is not shown at once.
    if (!machine || machine.state === 'pending') return undefined
    if (!lives(machine)) throw ended(machine)
    if (isReady(machine)) return machine
    runsSince ??= ctx.now()
    if (ctx.now() - runsSince > addressLimitMs) throw noAddress(machine, address)
    return undefined
  })
}

export function addressOf(machine: Machine, which: 'public' | 'private'): string | undefined {
  return which === 'public' ? machine.publicAddress : machine.privateAddress
}

function ended({ id, region, state, reason }: Machine): FactoryError {
  const { code, message } = reason ?? { code: 'unknown', message: 'EC2 does not say why' }
  const said = `${id} in ${region} is ${state} before it could be used: ${message.includes(code) ? message : `${code}: ${message}`}`
  const context = { name: code, region, machine: id }
  if (noCapacity.test(code)) {
    const hint = 'Name more `instanceTypes` or `subnets`, or another cloud in `builders`; or try again later.'
    return new FactoryError({ code: 'aws-no-capacity', message: said, hint, class: 'capacity', context })
  }
  if (noQuota.test(code)) {
    const hint =
      'Ask for a higher quota (AWS console, Service Quotas) or remove what is not needed: factory reap.'
    return new FactoryError({ code: 'aws-quota', message: said, hint, class: 'quota', context })
  }
  return new FactoryError({
    code: 'aws-machine-ended',
    message: said,
    hint: 'Client.InternalError mostly means an encrypted volume whose KMS key this account may not use. Otherwise run the same command again.',
    class: 'infra',
    context,
  })
}

function noAddress({ id, region }: Machine, address: string): FactoryError {
  return new FactoryError({
    code: 'aws-no-address',
    message: `${id} in ${region} runs and has no ${address} address`,
    hint: 'Name subnets of a VPC that gives public addresses, or reach machines by `address: private`, if needed with `jump`.',
    class: 'user',
  })
}
