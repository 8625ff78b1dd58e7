import { type Shell, bash } from '#src/builder/shell.ts'
import type { Lease } from '#clouds/types.ts'
import { type LeaseOnHost, type Look, readAnswer, readLeases, readLook } from './answers.ts'
import { hostBusy, leaseOver, notEmptied, notMade, ofAnother, unwritable } from './slot-failures.ts'
import type { Host } from './hosts.ts'
import { enterScript } from './scripts/enter.ts'
import { giveBackScript } from './scripts/give-back.ts'
import { keeperScript } from './scripts/keeper.ts'
import { lookScript } from './scripts/look.ts'
import { prolongScript } from './scripts/prolong.ts'
import { slotScript } from './scripts/slot.ts'
import { takeScript } from './scripts/take.ts'
import type { SshSettings } from './settings.ts'

/** What the builder's scripts and the slot need; what is only faster with is not here. */
export const neededTools = [
  'podman',
  'tar',
  'zstd',
  'flock',
  'unshare',
  'nsenter',
  'setsid',
  'losetup',
].concat([
  'mount',
  'mountpoint',
  'timeout',
  'sha256sum',
  'stat',
  'df',
  'find',
  'sed',
  'grep',
  'getent',
  'cmp',
])

const emptyingSeconds = 240
const takeLimitMs = 5 * 60_000
const giveBackLimitMs = (emptyingSeconds + 120) * 1000

/** Looks at a host and changes nothing. */
export async function lookAt(settings: SshSettings, host: Host, shell: Shell): Promise<Look> {
  const argv = bash(lookScript, settings.configuration.directory, ...neededTools)
  return readLook(host, await said(shell, argv, `a look at the host ${host.name}`, 30_000))
}

const takeAnswers = ['ready', 'busy', 'full', 'room', 'foreign', 'over', 'failed'] as const

export type Taken =
  | { outcome: 'ready' }
  /** Asked again, it will say something else. */
  | { outcome: 'busy' }
  | { outcome: 'full'; leases: LeaseOnHost[] }
  | { outcome: 'no-room'; freeBytes: number; leases: LeaseOnHost[] }

/** Takes a slot of the host for the lease, or finds it taken for it. Throws `slot-not-made`, `lease-of-another` and `lease-over`. */
export async function takeSlot(
  settings: SshSettings,
  host: Host,
  shell: Shell,
  request: { lease: Lease; key: string; neededBytes: number; seconds: number },
): Promise<Taken> {
  const { lease, key, neededBytes, seconds } = request
  const numbers = [host.slots, neededBytes, seconds, settings.pace.keeperSeconds].map(String)
  const common = argumentsOf(settings, host, lease.id)
  const file = leaseFile(lease, key)
  const words = [...common, settings.owner, ...numbers, file, keeperScript, slotScript, enterScript]
  const text = await said(shell, bash(takeScript, ...words), `taking a slot of ${host.name}`, takeLimitMs)
  const { word, rest } = readAnswer(host, text, takeAnswers)
  switch (word) {
    case 'full':
      return { outcome: 'full', leases: readLeases(text) }
    case 'room':
      return { outcome: 'no-room', freeBytes: Number(rest), leases: readLeases(text) }
    case 'foreign':
      throw ofAnother(host, lease)
    case 'over':
      throw leaseOver(host, lease)
    case 'failed':
      throw notMade(host, rest)
    default:
      return { outcome: word }
  }
}

/** Gives everything of a lease on the host back; what is not there, or not ours, is success. Throws `slot-not-emptied`. */
export async function giveSlotBack(
  settings: SshSettings,
  host: Host,
  shell: Shell,
  leaseId: string,
): Promise<void> {
  const words = [...argumentsOf(settings, host, leaseId), settings.owner, String(emptyingSeconds)]
  const what = `giving the slot of ${leaseId} back to ${host.name}`
  const text = await said(shell, bash(giveBackScript, ...words), what, giveBackLimitMs)
  if (readAnswer(host, text, ['gone', 'busy']).word === 'gone') return
  throw notEmptied(settings, host, leaseId)
}

/** Moves the end of a lease on the host; false when nothing of it runs there. */
export async function prolongSlot(
  settings: SshSettings,
  host: Host,
  shell: Shell,
  request: { leaseId: string; expires: string; seconds: number },
): Promise<boolean> {
  const { leaseId, expires, seconds } = request
  const words = [...argumentsOf(settings, host, leaseId), settings.owner, expires, String(seconds)]
  const what = `prolonging ${leaseId} on ${host.name}`
  const text = await said(shell, bash(prolongScript, ...words), what, 60_000)
  const { word } = readAnswer(host, text, ['prolonged', 'gone', 'busy'])
  if (word !== 'busy') return word === 'prolonged'
  throw hostBusy(host)
}

function argumentsOf({ configuration }: SshSettings, host: Host, leaseId: string): string[] {
  return [configuration.directory, leaseId, host.ref.user, configuration.authorizedKeys]
}

function leaseFile({ owner, release, arch, expires }: Lease, key: string): string {
  const lines = Object.entries({ owner, release, arch, expires, key })
  const broken = lines.find(([, value]) => /[^\x20-\x7e]/.test(value))
  if (!broken) return lines.map((line) => line.join(' ')).join('\n')
  throw unwritable(...broken)
}

async function said(shell: Shell, argv: readonly string[], what: string, limitMs: number): Promise<string> {
  return (await shell.run(argv, { what, limitMs })).stdout.toString()
}
