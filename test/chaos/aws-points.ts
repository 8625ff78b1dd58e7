import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { AwsFront } from '#test/servers/aws-front/front.ts'
import type { RunnableWorld } from './aws-worlds.ts'
import type { Injection } from './points.ts'

/** What a run goes through, in the order of its first one: `append lease-taken x86_64 #1`, `CopyImage eu-west-1 #1`. */
export interface RunPoints {
  appends: string[]
  /** Those that change something. */
  requests: string[]
}

/** Runs to the end and tells the points of that. */
export async function pointsOfRun({ directory, front, run }: RunnableWorld): Promise<RunPoints> {
  const before = readdirSync(directory)
  const { exitCode, stderr } = await run()
  if (exitCode !== 0) throw new Error(`a run to which nothing happens ended with ${exitCode}: ${stderr}`)
  const file = readdirSync(directory).find((name) => name.startsWith('points-') && !before.includes(name))
  const points = readFileSync(join(directory, file!), 'utf8').trim().split('\n')
  const appends = points.filter((point) => point.startsWith('append '))
  return { appends, requests: changingRequests(front) }
}

function changingRequests({ requests }: AwsFront): string[] {
  const seen = new Map<string, number>()
  return requests
    .filter(({ action }) => !isReading(action))
    .map(({ action, region }) => {
      const name = `${action} ${region}`
      const count = (seen.get(name) ?? 0) + 1
      seen.set(name, count)
      return `${name} #${count}`
    })
}

/** Whether a request of that name changes nothing. */
export function isReading(action: string): boolean {
  return /^(Describe|Get|List|Head|Simulate)/.test(action)
}

export type Kill = Pick<Injection, 'point' | 'when'>

/** Words of the engine about itself: no request lies between them and the record before or after, and sweep.test.ts kills at each. */
const ofTheEngine = /^append (step-|container-)/
/** What the cloud has done, told by a record: between the answer and it the adapter has written its own files. */
const tellsOfTheCloud = /^append (lease-acquired|lease-prolonged|lease-released|image-published) /
/** One after the other, the last one for the mark that an image is ready, with nothing kept between: before one is after the one before it. */
const inARow =
  /^(ModifyImageAttribute|ModifySnapshotAttribute|EnableImageDeprecation) |^CreateTags (us-east-1 #2|eu-west-1 #1)$/
/** All blocks are under way at once: the first and the last one are enough. */
export const betweenBlocks = /^PutSnapshotBlock \S+ #[23]$/

/** The points of a run, each side of each where it is not the same as a side of another; all of them in a long run. */
export function around({ appends, requests }: RunPoints): Kill[] {
  const all = [...appends, ...requests]
  const isLong = process.env['CHAOS_KILLS'] !== undefined
  const after = all.filter((point) => isLong || (!ofTheEngine.test(point) && !betweenBlocks.test(point)))
  const before = after.filter(
    (point) => isLong || tellsOfTheCloud.test(point) || (requests.includes(point) && !inARow.test(point)),
  )
  return [
    ...after.map((point): Kill => ({ point, when: 'after' })),
    ...before.map((point): Kill => ({ point, when: 'before' })),
  ]
}
