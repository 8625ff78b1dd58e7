import type { BuilderSpec, Lease } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { type FailureClass, asFactoryError } from '#src/errors.ts'
import { askForMachine, mayHaveMade } from './ask.ts'
import { freezeRequest } from './freeze.ts'
import { type LeaseRecord, readRecord, writeRecord } from './lease-record.ts'
import { type Machine, lives, machinesByToken, machinesOfLease } from './machines.ts'
import type { AwsSettings } from '../settings.ts'
import { terminate } from './terminate.ts'

export interface Rented {
  machine: Machine
  /** Who logs in. */
  user: string
  /** GiB of the root volume; undefined when what was asked for is no longer known. */
  rootSize?: number | undefined
}

/**
 * The machine of a lease: the one that is there already, whoever asked for it and whether or not the answer was lost,
 * else a new one. It is looked for first, because EC2 remembers a token only for a while.
 */
export async function rent(
  settings: AwsSettings,
  spec: BuilderSpec,
  lease: Lease,
  ctx: Context,
): Promise<Rented> {
  const known = await readRecord(settings, lease.id)
  const region = known?.region ?? spec.image?.region ?? settings.configuration.region
  const before = await machinesOfLease(settings, region, lease.id, ctx)
  if (known && mayBeUnseen(known, before)) {
    const byToken = await machinesByToken(settings, region, lease.id, ctx)
    before.push(...byToken.filter(({ id }) => !before.some((machine) => machine.id === id)))
  }
  const alive = await keepOne(settings, before.filter(lives), ctx)
  if (alive) {
    ctx.log(`${lease.id} has ${alive.id} in ${region} already`)
    const user = known?.request.user ?? userOf(settings, spec)
    return { machine: alive, user, rootSize: known?.request.rootSize }
  }
  const record = known
    ? { ...known, outcome: 'asked' }
    : await freezeRequest(settings, spec, lease, region, ctx)
  if (known && known.outcome !== 'asked') await writeRecord(settings, lease.id, record)
  const ended = before.filter((machine) => !lives(machine))
  try {
    const machine = await askForMachine(settings, { record, spec, lease, ended }, ctx)
    await writeRecord(settings, lease.id, { ...record, outcome: machine.id })
    return { machine, user: record.request.user, rootSize: record.request.rootSize }
  } catch (error) {
    const isRefused = refusals.includes(asFactoryError(error).class) && !mayHaveMade(error)
    if (isRefused) await writeRecord(settings, lease.id, { ...record, outcome: 'refused' })
    throw error
  }
}

/** What EC2 answered so has made nothing: where there was a doubt, it was looked for, and the look was answered. */
const refusals: readonly FailureClass[] = ['user', 'permission', 'capacity', 'quota']

/** Whether the lease has asked for a machine that its marks do not show (yet). */
function mayBeUnseen({ outcome }: LeaseRecord, seen: readonly Machine[]): boolean {
  return outcome !== 'refused' && !seen.some((machine) => machine.id === outcome || lives(machine))
}

/** Never more than one machine a lease: should there be two, the first stays. */
async function keepOne(
  settings: AwsSettings,
  machines: readonly Machine[],
  ctx: Context,
): Promise<Machine | undefined> {
  const [first, ...others] = machines.toSorted(
    (a, b) => a.startedAt - b.startedAt || a.id.localeCompare(b.id),
  )
  for (const { id, region } of others) {
    ctx.log(`ending ${id} in ${region}: its lease has ${first?.id} already`)
    await terminate(settings, region, [id], ctx)
  }
  return first
}

/** Without a record only the configuration can tell. */
function userOf({ configuration }: AwsSettings, { arch, image }: BuilderSpec): string {
  if (image) return 'root'
  return configuration.base[arch as keyof typeof configuration.base]?.user ?? 'root'
}
