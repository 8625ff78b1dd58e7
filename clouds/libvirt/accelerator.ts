import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { type ArchitectureName, architectureNames } from '#arch/index.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import type { Hypervisor } from './hypervisor.ts'
import type { DomainType } from './machines.ts'
import type { Pool } from './pools.ts'
import { tryGuest } from './probe.ts'
import type { LibvirtSettings } from './settings.ts'
import { virsh } from './virsh.ts'
import { type XmlElement, parseXml, select, textOf } from './xml.ts'

export interface Accelerator {
  type: DomainType
  /** Why, for people. */
  reason: string
}

const verdicts = z.record(
  z.string(),
  z.object({ type: z.enum(['kvm', 'qemu']), reason: z.string(), at: z.number() }),
)

const probeLimitMs = 8000
const distrustMs = 24 * 3_600_000

/**
 * How a machine of the architecture runs on the hypervisor. That KVM is offered proves nothing: it is taken only
 * after a guest got somewhere with it within seconds. The verdict is remembered; a bad one for a day.
 */
export async function chooseAccelerator(
  settings: LibvirtSettings,
  pool: Pool,
  arch: ArchitectureName,
  ctx: Context,
): Promise<Accelerator> {
  const { hypervisor } = pool
  const wish = settings.configuration.accelerator
  if (wish === 'tcg') return { type: 'qemu', reason: 'accelerator: tcg in the configuration' }
  const offer = await kvmOffered(hypervisor, arch, ctx)
  if (!offer.ok && (wish === 'auto' || offer.foreign)) return { type: 'qemu', reason: offer.reason }
  if (!offer.ok) throw kvmMissing(hypervisor, offer.reason)
  if (wish === 'kvm') return { type: 'kvm', reason: 'accelerator: kvm in the configuration' }

  const known = (await readVerdicts(settings))[hypervisor.region]
  if (known && (known.type === 'kvm' || ctx.now() - known.at < distrustMs)) return known
  const found = await probe(settings, pool, arch, ctx)
  await remember(settings, hypervisor.region, found, ctx)
  return found
}

/** The architecture of the hypervisor itself; undefined when the factory builds nothing for it. */
export async function hostArchitecture(
  hypervisor: Hypervisor,
  ctx: Context,
): Promise<ArchitectureName | undefined> {
  const host = textOf(await capabilities(hypervisor, ctx), 'host/cpu/arch')
  return architectureNames.find((arch) => arch === host)
}

async function probe(
  settings: LibvirtSettings,
  pool: Pool,
  arch: ArchitectureName,
  ctx: Context,
): Promise<Accelerator> {
  const { uri } = pool.hypervisor
  ctx.emit({ message: `trying whether KVM works on ${uri}` })
  const startedAt = ctx.now()
  const marks = {
    lease: `probe-${randomBytes(5).toString('hex')}`,
    owner: settings.owner,
    release: 'none',
    arch,
    expires: new Date(startedAt + 60_000).toISOString(),
    purpose: 'build',
  } as const
  try {
    await tryGuest(pool, 'kvm', marks, probeLimitMs, ctx)
    return { type: 'kvm', reason: `a guest ran with KVM, ${ctx.now() - startedAt} ms after its start` }
  } catch (error) {
    if (ctx.signal.aborted || !(error instanceof FactoryError)) throw error
    const why =
      error.code === 'deadline-passed' ? `got nowhere within ${probeLimitMs / 1000} s` : 'did not start'
    ctx.log(`${uri}: a guest with KVM ${why}, so machines are emulated (${error.message})`)
    return { type: 'qemu', reason: `a guest with KVM ${why}` }
  }
}

type Offer = { ok: true } | { ok: false; foreign: boolean; reason: string }

async function kvmOffered(hypervisor: Hypervisor, arch: ArchitectureName, ctx: Context): Promise<Offer> {
  const root = await capabilities(hypervisor, ctx)
  const host = textOf(root, 'host/cpu/arch') ?? ''
  if (host !== arch) return { ok: false, foreign: true, reason: `the hypervisor is ${host}` }
  const guests = select(root, 'guest/arch').filter(({ attributes }) => attributes['name'] === arch)
  const types = guests.flatMap((guest) => select(guest, 'domain')).map(({ attributes }) => attributes['type'])
  if (types.includes('kvm')) return { ok: true }
  return { ok: false, foreign: false, reason: 'the hypervisor offers no KVM' }
}

async function capabilities(hypervisor: Hypervisor, ctx: Context): Promise<XmlElement> {
  return parseXml(await virsh(hypervisor, ['capabilities'], ctx), 'capabilities')
}

async function remember(
  settings: LibvirtSettings,
  region: string,
  found: Accelerator,
  ctx: Context,
): Promise<void> {
  const known = { ...(await readVerdicts(settings)), [region]: { ...found, at: ctx.now() } }
  await writeFile(verdictsFile(settings), JSON.stringify(known, undefined, 2), { mode: 0o600 })
}

async function readVerdicts(settings: LibvirtSettings): Promise<z.infer<typeof verdicts>> {
  try {
    return verdicts.parse(JSON.parse(await readFile(verdictsFile(settings), 'utf8')))
  } catch {
    return {}
  }
}

function verdictsFile({ stateDirectory }: LibvirtSettings): string {
  return join(stateDirectory, 'accelerators.json')
}

function kvmMissing(hypervisor: Hypervisor, reason: string): FactoryError {
  return new FactoryError({
    code: 'kvm-missing',
    message: `the configuration asks for accelerator: kvm on ${hypervisor.uri}, and ${reason}`,
    hint: 'Load the module on the hypervisor (modprobe kvm_intel or kvm_amd), or write accelerator: auto.',
    class: 'user',
  })
}
