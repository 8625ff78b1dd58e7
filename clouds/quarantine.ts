import { randomBytes } from 'node:crypto'
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'

const quarantined = z.object({
  place: z.string(),
  code: z.string(),
  reason: z.string(),
  /** RFC 3339: the first of the failures in a row, and when it is tried again. */
  since: z.string(),
  until: z.string(),
  failures: z.int(),
})

/** A host or another place of a cloud that failed and is left out for a while. */
export type Quarantine = z.infer<typeof quarantined>

const firstPauseMs = 60_000
const longestPauseMs = 3_600_000

/** Leaves a place out for a while, for longer with every failure in a row: 1, 2, 4 minutes, at last an hour. */
export async function quarantine(
  stateDirectory: string,
  place: string,
  { code, message }: { code: string; message: string },
  nowMs: number,
): Promise<Quarantine> {
  const before = (await readQuarantines(stateDirectory)).find((known) => known.place === place)
  const failures = (before?.failures ?? 0) + 1
  const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(failures - 1, 20))
  const since = before?.since ?? new Date(nowMs).toISOString()
  const until = new Date(nowMs + pauseMs).toISOString()
  const record: Quarantine = { place, code, reason: message, since, until, failures }
  const file = fileOf(stateDirectory, place)
  await mkdir(join(stateDirectory, 'quarantine'), { recursive: true, mode: 0o700 })
  // Several may find the same place failing at the same time.
  const part = `${file}.${randomBytes(4).toString('hex')}.part`
  await writeFile(part, JSON.stringify(record), { mode: 0o600, flag: 'wx' })
  await rename(part, file)
  return record
}

/** A place that is well again, or that was looked at anew. */
export async function liftQuarantine(stateDirectory: string, place: string): Promise<void> {
  await rm(fileOf(stateDirectory, place), { force: true })
}

/** Every place of a cloud that is left out, or was until a moment ago and has not been tried since. */
export async function readQuarantines(stateDirectory: string): Promise<Quarantine[]> {
  const directory = join(stateDirectory, 'quarantine')
  const names = await readdir(directory).catch(() => [])
  const records = await Promise.all(
    names
      .filter((name) => !name.endsWith('.part'))
      .toSorted()
      .map((name) => readOne(join(directory, name))),
  )
  return records.flatMap((record) => record ?? [])
}

async function readOne(file: string): Promise<Quarantine | undefined> {
  try {
    return quarantined.safeParse(JSON.parse(await readFile(file, 'utf8'))).data
  } catch {
    return undefined
  }
}

function fileOf(stateDirectory: string, place: string): string {
  return join(stateDirectory, 'quarantine', encodeURIComponent(place))
}
