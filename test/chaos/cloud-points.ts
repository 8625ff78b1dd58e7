import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { CloudWorld } from './cloud-worlds.ts'
import type { Injection } from './points.ts'

/** What a run goes through, in the order of its first one: `append lease-taken x86_64 #1`, `CopyImage eu-west-1 #1`. */
export interface RunPoints {
  appends: string[]
  /** Those that change something. */
  requests: string[]
}

/** Runs to the end and tells the points of that. */
export async function pointsOfRun({ directory, cloud, run }: CloudWorld): Promise<RunPoints> {
  const before = readdirSync(directory)
  const { exitCode, stderr } = await run()
  if (exitCode !== 0) throw new Error(`a run to which nothing happens ended with ${exitCode}: ${stderr}`)
  const file = readdirSync(directory).find((name) => name.startsWith('points-') && !before.includes(name))
  const points = readFileSync(join(directory, file!), 'utf8').trim().split('\n')
  const appends = points.filter((point) => point.startsWith('append '))
  return { appends, requests: numbered(cloud.changes()) }
}

function numbered(names: readonly string[]): string[] {
  const seen = new Map<string, number>()
  return names.map((name) => {
    const count = (seen.get(name) ?? 0) + 1
    seen.set(name, count)
    return `${name} #${count}`
  })
}

/** Name and number of a request. */
export function partsOfPoint(point: string): { name: string; number: number } {
  const [, name = '', number = ''] = /^(.+) #(\d+)$/.exec(point) ?? []
  return { name, number: Number(number) }
}

/** Whether a request of that name changes nothing. */
export function isReading(action: string): boolean {
  return /^(Describe|Get|List|Head|Simulate)/.test(action)
}

/** A long run kills at both sides of every point, and images are booted in every region; an ordinary one takes a share. */
export const isLong = process.env['CHAOS_KILLS'] !== undefined

export type Kill = Pick<Injection, 'point' | 'when'>

/** Requests of one cloud at a side of which an ordinary run does not kill. */
export interface Spared {
  /** One after the other with nothing kept between: before one is after the one before it. */
  inARow?: RegExp
  /** Many of one kind that are under way at once, of which others are killed at. */
  between?: RegExp
}

/** Words of the engine about itself: no request lies between them and the record before or after, and sweep.test.ts kills at each. */
const ofTheEngine = /^append (step-|container-)/
/** What the cloud has done, told by a record: between the answer and it the adapter has written its own files. */
const tellsOfTheCloud = /^append (lease-acquired|lease-prolonged|lease-released|image-published) /

/** The points of a run, each side of each where it is not the same as a side of another; all of them in a long run. */
export function around({ appends, requests }: RunPoints, { inARow, between }: Spared): Kill[] {
  const all = [...appends, ...requests]
  const after = all.filter((point) => isLong || (!ofTheEngine.test(point) && !between?.test(point)))
  const before = after.filter(
    (point) => isLong || tellsOfTheCloud.test(point) || (requests.includes(point) && !inARow?.test(point)),
  )
  return [
    ...after.map((point): Kill => ({ point, when: 'after' })),
    ...before.map((point): Kill => ({ point, when: 'before' })),
  ]
}

/** Runs in a row, by their seeds, that take all points together. */
export const shares = 6

/** The share of an ordinary run: one of as many, of each kind that has as many points at least one, in whatever order they came. */
export function shareOf(points: readonly string[], seed: number, ofShares = shares): string[] {
  return points.toSorted().filter((_, index) => index % ofShares === seed % ofShares)
}
