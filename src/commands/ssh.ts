import { execa } from 'execa'
import type { ArchitectureName } from '#arch/index.ts'
import { findAccess } from '#src/builder/keys.ts'
import { sshArguments } from '#src/builder/openssh.ts'
import { quoteCommand } from '#src/builder/quote.ts'
import { FactoryError } from '#src/errors.ts'
import type { LeaseState } from '#src/journal/leases.ts'
import { forgetKeys, keysDirectory } from '#src/release/lease-keys.ts'
import { enterOrThrow } from './adopt.ts'
import { commandContext, openClouds } from './clouds.ts'
import { openState } from './open.ts'

/** Opens a shell on a builder that is still rented, with its pinned host key; or gives it back. */
export async function sshCommand(options: {
  config: string | undefined
  arch: ArchitectureName
  command: string[]
  giveBack: boolean
}): Promise<number> {
  const { configuration, state } = await openState(options.config)
  const rented = state.leases.findLast(
    ({ lease, released, ref }) => !released && lease.arch === options.arch && ref !== undefined,
  )
  if (!rented?.ref) throw nothingRented(options.arch)

  if (options.giveBack) {
    using engine = enterOrThrow(configuration.stateDirectory)
    await giveBack(rented, await openClouds(configuration))
    engine.journal.append({ type: 'lease-released', release: rented.lease.release, leaseId: rented.lease.id })
    process.stdout.write(`gave ${rented.ref.machine} back to ${rented.cloud}\n`)
    return 0
  }
  const login = await findAccess(await keysDirectory(rented.lease.id))
  if (!login) throw keysGone(options.arch, rented.ref.machine)
  const command = options.command.length === 0 ? [] : [quoteCommand(options.command)]
  const ssh = await sshArguments(rented.ref, login)
  const result = await execa('ssh', [...ssh, ...command], { stdio: 'inherit', reject: false })
  return result.exitCode ?? 1
}

async function giveBack(rented: LeaseState, clouds: Awaited<ReturnType<typeof openClouds>>): Promise<void> {
  const pool = clouds.get(rented.cloud)?.builders
  if (!pool) {
    throw new FactoryError({
      code: 'cloud-unknown',
      message: `the machine is from ${rented.cloud}, which is no longer in the configuration`,
      hint: `Put ${rented.cloud} back under clouds: and try again.`,
      class: 'user',
    })
  }
  await pool.release(rented.lease.id, commandContext(AbortSignal.timeout(300_000)))
  await forgetKeys(rented.lease.id)
}

function nothingRented(arch: ArchitectureName): FactoryError {
  return new FactoryError({
    code: 'no-builder-rented',
    message: `no ${arch} builder is rented`,
    hint: 'Keep the builder of a failed build with: factory release --keep-builders',
    class: 'user',
  })
}

/** New keys would open nothing: the machine knows those that were made when it was rented. */
function keysGone(arch: ArchitectureName, machine: string): FactoryError {
  return new FactoryError({
    code: 'keys-gone',
    message: `the keys of ${machine} are gone: they lie in the memory of the machine that rented it, and are lost when that restarts`,
    hint: `Nobody can log in there any more. Give it back with: factory ssh ${arch} --give-back`,
    class: 'user',
  })
}
