import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import type { AwsSettings } from '../settings.ts'
import { tryBucket } from './bucket.ts'
import { sendCanary } from './canary.ts'
import { copyDryRun, dryRunsOnNothing, nothing } from './dry-runs.ts'
import type { Caller } from './identity.ts'
import { type Judgement, judge } from './judge.ts'
import { looksIn } from './looks.ts'
import type { MachinesLookedAt } from './machines.ts'
import { type Permission, permissionsFor } from './permissions.ts'
import { policyOf } from './policy.ts'
import { type Signal, tryRight } from './signals.ts'
import { type Simulation, simulate } from './simulate.ts'

/** What was looked at before. */
export interface Known {
  caller: Caller
  machines: MachinesLookedAt
  /** The regions in which rights can be tried. */
  answering: readonly string[]
}

/** Every right that is missing, at once, and one policy with exactly those. */
export async function* lookAtRights(
  settings: AwsSettings,
  known: Known,
  ctx: Context,
): AsyncIterable<Finding> {
  const { caller, machines } = known
  const permissions = permissionsFor(settings.configuration)
  const [simulation, canary, bucket, tried] = await Promise.all([
    simulate(settings, caller, permissions, ctx),
    sendCanary(settings, caller.account, ctx),
    tryBucket(settings, ctx),
    tryAll(settings, known, permissions, ctx),
  ])
  const live = [machines.signals, canary.signals, bucket.signals, tried].flat()
  const signals = [...live, ...ofSimulation(simulation, settings)]
  const judged = judge(permissions, signals, simulation)
  const missing = judged.filter(({ verdict }) => verdict === 'denied')
  const doubtful = judged.filter(({ verdict }) => verdict === 'doubtful')
  for (const { action, why, how, optional } of missing) {
    const severity = optional ? 'warning' : 'error'
    yield { severity, subject: action, message: `missing, ${why} (${how})` }
  }
  for (const { action, why, how } of doubtful)
    yield { severity: 'warning', subject: action, message: `perhaps missing, ${why} (${how})` }
  const unknown = judged.filter(({ verdict }) => verdict === 'unknown')
  if (unknown.length > 0) yield uncertain(unknown)
  if (missing.length + doubtful.length > 0) yield pastePolicy(settings, missing, doubtful)
  else
    yield {
      severity: unknown.length > 0 ? 'warning' : 'ok',
      subject: 'rights',
      message: counted(judged),
    }
  for (const { left } of [canary, bucket])
    if (left !== undefined)
      yield { severity: 'warning', subject: 'canary', message: `could not remove ${left}` }
}

async function tryAll(
  settings: AwsSettings,
  { caller: { account }, machines: { imageId = nothing.image }, answering }: Known,
  permissions: readonly Permission[],
  ctx: Context,
): Promise<Signal[]> {
  const [main, ...others] = answering as [string, ...string[]]
  const needed = (action: string) => permissions.some((permission) => permission.action === action)
  const inMain = [...looksIn(settings.clients(main)), ...dryRunsOnNothing(settings.clients(main), account)]
  const all = [
    ...inMain.map((probe) => ({ probe, region: main })),
    ...others.flatMap((region) => {
      const clients = settings.clients(region)
      const copy = copyDryRun(clients, imageId, main)
      const by = imageId === nothing.image ? 'dry run on nothing' : copy.by
      return [...looksIn(clients), { ...copy, by }].map((probe) => ({ probe, region }))
    }),
  ].filter(({ probe }) => needed(probe.action))
  const signals: Signal[] = []
  // A few at once: EC2 takes about twenty looks a second.
  for (let at = 0; at < all.length; at += 4) {
    const batch = all.slice(at, at + 4).map(({ probe, region }) => tryRight(probe, region, ctx))
    signals.push(...(await Promise.all(batch)).flat())
  }
  return signals
}

/** Whether IAM may be asked is known from asking it. */
function ofSimulation({ marked, failure }: Simulation, { configuration }: AwsSettings): Signal[] {
  const action = 'iam:SimulatePrincipalPolicy'
  const { region } = configuration
  if (marked.size > 0) return [{ action, region, verdict: 'granted', by: 'call' }]
  if (!failure?.includes(action)) return []
  return [{ action, region, verdict: 'denied', by: 'call' }]
}

function uncertain(unknown: readonly Judgement[]): Finding {
  const names = unknown.map(({ action }) => action).join(', ')
  const hint = 'Allow iam:SimulatePrincipalPolicy, or compare with: factory doctor --policy'
  return { severity: 'warning', subject: 'rights', message: `cannot be tried: ${names}`, hint }
}

function pastePolicy(
  settings: AwsSettings,
  missing: readonly Judgement[],
  doubtful: readonly Judgement[],
): Finding {
  const severity = missing.every(({ optional }) => optional) ? 'warning' : 'error'
  const perhaps = doubtful.length === 0 ? '' : ` and ${doubtful.length} perhaps`
  const message = `${missing.length} are missing${perhaps}; this policy has exactly those`
  return { severity, subject: 'rights', message, paste: policyOf(settings, [...missing, ...doubtful]) }
}

/** `34 of 34 rights are there: 14 tried, 9 asked for as dry runs, 11 as IAM says` */
function counted(judged: readonly Judgement[]): string {
  const granted = judged.filter(({ verdict }) => verdict === 'granted')
  const unknown = judged.filter(({ verdict }) => verdict === 'unknown').length
  const ways = Map.groupBy(granted, ({ how }) => wayOf[how as Signal['by']])
  const counts = [...ways].map(([way, group]) => `${group.length} ${way}`).join(', ')
  const rest = unknown === 0 ? '' : `; ${unknown} could not be tried, see above`
  return `${granted.length} of ${judged.length} rights are there: ${counts}${rest}`
}

const wayOf: Record<Signal['by'], string> = {
  call: 'tried',
  'dry run': 'asked for as dry runs',
  'dry run on nothing': 'asked for as dry runs',
  simulation: 'as IAM says',
}
