import type { BuilderSpec, Lease } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { type FailureClass, asFactoryError } from '#src/errors.ts'
import type { OpenstackSettings } from '../settings.ts'
import { askForMachine } from './ask.ts'
import { runningMachine } from './await-machine.ts'
import { endMachine } from './end.ts'
import { frozenRequest } from './freeze.ts'
import { type FrozenRequest, readRecord, writeRecord } from './lease-record.ts'
import { type Machine, lives } from './machines.ts'
import { machinesAskedFor } from './machines-asked-for.ts'
import { mayHaveMade } from './make-once.ts'

export interface Rented {
  machine: Machine
  /** Who logs in. */
  user: string
  /** Undefined when what was asked for is no longer known. */
  request: FrozenRequest | undefined
}

/** What Nova answered so has made nothing that stays. */
const refusals: readonly FailureClass[] = ['user', 'permission', 'capacity', 'quota']

/**
 * The machine of a lease: the one that is there already, whoever asked for it and whether or not the answer was lost, else
 * a new one. Nova has no token, so the name and the marks are what it is found by.
 */
export async function rent(
  settings: OpenstackSettings,
  spec: BuilderSpec,
  lease: Lease,
  ctx: Context,
): Promise<Rented> {
  const known = await readRecord(settings, lease.id)
  const before = await machinesAskedFor(settings, lease.id, known, ctx)
  const alive = await keepOne(settings, before, ctx)
  if (alive) {
    ctx.log(`${lease.id} has ${alive.id} already`)
    const machine = await runningMachine(settings, alive.id, ctx)
    return { machine, user: known?.request.user ?? userOf(settings, spec), request: known?.request }
  }
  const request = known?.request ?? (await frozenRequest(settings, spec, lease, ctx))
  await writeRecord(settings, lease.id, { request, outcome: 'asked' })
  try {
    const machine = await askForMachine(settings, request, spec, lease, ctx)
    await writeRecord(settings, lease.id, { request, outcome: machine.id })
    return { machine, user: request.user, request }
  } catch (error) {
    if (refusals.includes(asFactoryError(error).class) && !mayHaveMade(error)) {
      await writeRecord(settings, lease.id, { request, outcome: 'refused' })
    }
    throw error
  }
}

/** Never more than one machine a lease: should there be two, the first stays. Those that have ended make room. */
async function keepOne(
  settings: OpenstackSettings,
  machines: readonly Machine[],
  ctx: Context,
): Promise<Machine | undefined> {
  const inOrder = machines.toSorted((a, b) => a.startedAt - b.startedAt || a.id.localeCompare(b.id))
  const first = inOrder.find(lives)
  for (const machine of inOrder) {
    if (machine === first) continue
    ctx.log(`removing ${machine.id}, which is ${machine.state}`)
    await endMachine(settings, machine.id, ctx)
  }
  return first
}

/** Without a record only the configuration can tell. */
function userOf({ configuration }: OpenstackSettings, { arch, image }: BuilderSpec): string {
  return image ? 'root' : (configuration.base[arch]?.user ?? 'root')
}
