import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { formatBytes } from '#src/units.ts'
import { explainBudget } from './budget.ts'
import type { BudgetPart, DiskBudget } from './budget.ts'
import { bash } from './shell.ts'
import { storageScript } from './storage-script.ts'
import { printable } from './text.ts'
import type { Builder } from './types.ts'

/** Everything of ours on a builder lies here, on the data disk where there is one. */
export const dataDirectory = '/var/lib/factory'
/** Where disk builders put what they make. */
export const outputDirectory = `${dataDirectory}/output`

export interface PreparedStorage {
  /** The least free bytes of the file systems that the build writes to. */
  freeBytes: number
}

const GiB = 1024 ** 3
const usualDiskSerial = 'factory-data'
const diskLabel = 'factory-data'
/** What Copr's builders give these, after builds ran out of space there. */
const runBytes = 3 * GiB
const tmpBytes = 8 * GiB
/** osbuild and zstd need about this; with less, the kernel kills something. */
const memoryBytes = 3 * GiB
const swapBytes = 2 * GiB
const limitMs = 10 * 60_000

/**
 * Puts container storage, /var/tmp and our own directory onto the data disk (serial `factory-data`, or what the builder's cloud calls it), or leaves them on
 * the root file system where there is none, and checks that the budget fits before anything is built. Safe to call
 * again, also when a build has begun to fill the disk. Throws `disk-budget` (class disk-full) with the numbers when it does not fit.
 */
export async function prepareStorage(
  builder: Builder,
  budget: DiskBudget,
  ctx: Context,
): Promise<PreparedStorage> {
  const numbers = [runBytes, tmpBytes, memoryBytes, swapBytes, budget.totalBytes].map(String)
  const serial = builder.ref.dataDisk ?? usualDiskSerial
  const argv = bash(storageScript, diskLabel, serial, dataDirectory, ...numbers)
  const { stdout } = await builder.exec(argv, { limitMs })
  const lines = stdout.split('\n')
  for (const line of lines) if (line.startsWith('note ')) ctx.log(printable(line.slice(5)))
  const places = readFree(builder, lines)
  if (!lines.includes('checked')) {
    checkBudget(builder, budget, places)
    await builder.exec(['touch', `${dataDirectory}/checked`])
  }
  return { freeBytes: Math.min(...places.map(({ freeBytes }) => freeBytes)) }
}

interface FreePlace {
  place: string
  device: string
  freeBytes: number
}

function readFree(builder: Builder, lines: readonly string[]): FreePlace[] {
  const places = lines.flatMap((line): FreePlace[] => {
    const [, place, device, free] = /^free (\S+) (\d+) (\d{1,16})$/.exec(line) ?? []
    return place && device && free ? [{ place, device, freeBytes: Number(free) }] : []
  })
  if (places.length === 3) return places
  throw new FactoryError({
    code: 'storage-unreadable',
    message: `builder ${builder.ref.machine} gave no sensible answer about its storage`,
    hint: 'Look at the builder with: factory ssh ARCH',
    class: 'infra',
  })
}

/** Places on one file system share its space. */
function checkBudget(builder: Builder, budget: DiskBudget, places: readonly FreePlace[]): void {
  for (const device of new Set(places.map((place) => place.device))) {
    const here = places.filter((place) => place.device === device)
    const parts = budget.parts.filter((part) => here.some(({ place }) => place === part.place))
    const neededBytes = parts.reduce((sum, part) => sum + part.bytes, 0)
    const freeBytes = Math.min(...here.map((place) => place.freeBytes))
    if (neededBytes > freeBytes) throw overBudget(builder, here, parts, neededBytes, freeBytes)
  }
}

function overBudget(
  builder: Builder,
  places: readonly FreePlace[],
  parts: readonly BudgetPart[],
  neededBytes: number,
  freeBytes: number,
): FactoryError {
  const where = places.map(({ place }) => place).join(', ')
  return new FactoryError({
    code: 'disk-budget',
    message:
      `builder ${builder.ref.machine} (${builder.ref.arch}) has too little space for this build: ${where} ` +
      `${places.length > 1 ? 'have' : 'has'} ${formatBytes(freeBytes)} free, ${formatBytes(neededBytes)} are needed: ${explainBudget(parts)}`,
    hint: 'Nothing was built. Let the builder have a larger data disk, leave a disk format out, or use a smaller base image.',
    class: 'disk-full',
    context: { neededBytes, freeBytes, parts: [...parts] },
  })
}
