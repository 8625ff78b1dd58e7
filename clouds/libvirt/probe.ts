import { randomUUID } from 'node:crypto'
import type { Context } from '#src/context.ts'
import { withTimeLimit } from '#src/time-limit.ts'
import type { DomainDefinition } from './domain.ts'
import { createFirmwareState } from './firmware-state.ts'
import { startHeldMachine } from './held-machine.ts'
import { type LeaseMarks, marksToJson, marksToXml } from './lease-marks.ts'
import { leaseNames } from './lease-names.ts'
import type { DomainType } from './machines.ts'
import type { Pool } from './pools.ts'
import { probeGuests } from './probe-guest.ts'
import { removeRented } from './rented.ts'
import { createVolume, readSmallVolume, writeSmallVolume } from './volumes.ts'

const cleanUpLimitMs = 60_000
const consoleBytes = 64 * 1024
const lookEveryMs = 200

/**
 * Starts the tiny guest of an architecture and returns as soon as its console shows that it got somewhere; throws
 * `deadline-passed` when it got nowhere within `limitMs` of its start. Whatever happens the guest is ended, also by a
 * kill of this process, and its volumes are deleted; it bears marks like a builder, so that what a kill leaves of them
 * can be found.
 */
export async function tryGuest(
  pool: Pool,
  type: DomainType,
  marks: LeaseMarks,
  limitMs: number,
  ctx: Context,
): Promise<void> {
  const what = `a first ${marks.arch} guest on ${pool.hypervisor.uri}`
  try {
    await using _guest = await start(pool, type, marks, ctx)
    await withTimeLimit(what, limitMs, ctx.signal, (signal) => watch(pool, marks, { ...ctx, signal }))
  } finally {
    const signal = AbortSignal.timeout(cleanUpLimitMs)
    await removeRented(pool.hypervisor, pool.name, marks.lease, { signal })
  }
}

async function start(
  pool: Pool,
  type: DomainType,
  marks: LeaseMarks,
  ctx: Context,
): Promise<AsyncDisposable> {
  const names = leaseNames(marks.lease)
  const guest = probeGuests[marks.arch]
  await writeSmallVolume(pool, names.marks, marksToJson(marks), ctx)
  const disk = guest.disk && (await writeSmallVolume(pool, names.dataDisk, guest.disk(), ctx))
  const firmwareStatePath = await createFirmwareState(pool, names.firmwareState, marks.arch, ctx)
  await createVolume(pool, { name: names.console, capacityBytes: 0, format: 'raw' }, ctx)
  const definition: DomainDefinition = {
    name: names.domain,
    uuid: randomUUID(),
    arch: marks.arch,
    type,
    cpus: 1,
    memoryBytes: 256 * 1024 ** 2,
    metadata: marksToXml(marks, 0),
    disks: disk === undefined ? [] : [{ path: disk, format: 'raw', serial: 'factory-probe' }],
    firmwareStatePath,
    consolePath: `${pool.path}/${names.console}`,
    restartable: false,
  }
  return await startHeldMachine(pool, definition, ctx)
}

async function watch(pool: Pool, marks: LeaseMarks, ctx: Context): Promise<void> {
  const range = { offset: 0, maxBytes: consoleBytes }
  const read = async () => (await readSmallVolume(pool, leaseNames(marks.lease).console, range, ctx)) ?? ''
  while (!probeGuests[marks.arch].marker.test(await read())) await ctx.sleep(lookEveryMs)
}
