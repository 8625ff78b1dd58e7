import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parse } from 'yaml'
import type { ArchitectureName } from '#arch/index.ts'
import { libvirtConfiguration } from '#clouds/libvirt/config.ts'
import { createLibvirtCloud } from '#clouds/libvirt/index.ts'
import { type Access, makeAccess } from '#src/builder/keys.ts'
import { openBuilder } from '#src/builder/session.ts'
import type { Builder, BuilderRef } from '#src/builder/types.ts'
import type { Context } from '#src/context.ts'
import { labConfiguration } from './lab.ts'

const firstAnswerLimitMs = 180_000
const leaseMs = 3_600_000

const ctx: Context = {
  signal: new AbortController().signal,
  emit: () => {},
  log: () => {},
  now: Date.now,
  sleep: (ms) => delay(ms),
}

/** A builder's machine of the lab that a test rented for itself. */
export interface LabMachine extends AsyncDisposable {
  readonly ref: BuilderRef
  readonly access: Access
  readonly builder: Builder
}

/** Rents a machine as the factory does, with the lab's own configuration, and waits until it answers. */
export async function startLabMachine(
  arch: ArchitectureName,
  { owner, dataBytes }: { owner: string; dataBytes: number },
): Promise<LabMachine> {
  await using resources = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'lab-machine-'))
  resources.defer(() => rm(directory, { recursive: true }))
  const file = parse(await readFile(labConfiguration, 'utf8'))
  const configuration = libvirtConfiguration.parse(file.clouds.lab)
  const cloud = await createLibvirtCloud('lab', configuration, { owner, stateDirectory: directory })
  const access = await makeAccess(join(directory, 'keys'))
  const id = `${owner}-${arch.replace('_', '-')}-${randomBytes(4).toString('hex')}`
  const expires = new Date(Date.now() + leaseMs).toISOString()
  const lease = { id, owner, release: 'none', arch, expires }
  resources.defer(() => cloud.builders!.release(id, ctx))
  const ref = await cloud.builders!.acquire(
    { arch, purpose: 'build', dataBytes, leaseMs, access },
    lease,
    ctx,
  )
  const builder = resources.use(await openBuilder(ref, access, ctx, { readyLimitMs: firstAnswerLimitMs }))
  const held = resources.move()
  return { ref, access, builder, [Symbol.asyncDispose]: () => held.disposeAsync() }
}
