import type { Answer, Call } from './call.ts'
import { endOfDryRun } from './dry-run.ts'
import { matches } from './filters.ts'
import { listOf } from './query.ts'
import { Refusal } from './refusal.ts'
import { isUnknown } from './world.ts'
import type { Kind, World } from './world.ts'
import { ec2Answer } from './xml.ts'
import type { Node } from './xml.ts'

/** How one Describe operation is answered: everything from the emulator, completed, filtered and paged here. */
export interface View {
  readonly action: string
  /** The element that holds the items. */
  readonly set: string
  /** `SnapshotId` for `SnapshotId.N`. */
  readonly idParameter: string
  /** What `unknownFor` calls these things. */
  readonly kind: Kind | undefined
  /** Smallest and largest MaxResults. */
  readonly pageLimits: readonly [number, number]
  notFound(id: string): Refusal
  idOf(item: Node): string
  /** Filter name → path of what it compares; tags are known by themselves. */
  readonly filters: Readonly<Record<string, string>>
  list(call: Call, world: World): Promise<Node[]>
  /** The item with what the emulator forgot. */
  complete(item: Node, world: World, call: Call): Node
  /** What besides ids and filters decides: owners. */
  selects?(item: Node, call: Call, world: World): boolean
  /** This item has been shown to somebody: what takes time goes on. */
  seen?(item: Node, world: World): void | Promise<void>
  /** The content of the set, where it is not the items themselves. */
  wrap?(items: readonly Node[]): Node[]
}

/** Answers the operation of the view. */
export async function describe(call: Call, world: World, view: View): Promise<Answer> {
  endOfDryRun(call)
  const { parameters } = call
  const ids = listOf(parameters, view.idParameter)
  const size = pageSize(call, view, ids, world.settings.pageSize)
  const all = await view.list(call, world)
  const known = all.filter((item) => !(askedFor(ids, view.idOf(item)) && isUnknown(world, view.idOf(item))))
  for (const id of ids) if (!known.some((item) => view.idOf(item) === id)) throw view.notFound(id)
  const chosen = known
    .filter((item) => askedFor(ids, view.idOf(item)))
    .map((item) => view.complete(item, world, call))
    .filter((item) => (view.selects?.(item, call, world) ?? true) && matches(item, parameters, view.filters))
  const start = ids.length > 0 ? 0 : startOfPage(parameters['NextToken'])
  const page = chosen.slice(start, start + size)
  const end = start + page.length
  const answer = ec2Answer(view.action, {
    [view.set]: { item: view.wrap?.(page) ?? page },
    ...(end < chosen.length ? { nextToken: tokenOfPage(end) } : {}),
  })
  for (const item of page) await view.seen?.(item, world)
  return answer
}

function askedFor(ids: readonly string[], id: string): boolean {
  return ids.length === 0 || ids.includes(id)
}

/** An answer to ids has no pages. */
function pageSize(call: Call, view: View, ids: readonly string[], forced: number | undefined): number {
  const said = call.parameters['MaxResults']
  const [least, most] = view.pageLimits
  if (said !== undefined && ids.length > 0)
    throw new Refusal({
      code: 'InvalidParameterCombination',
      message: `The parameter ${view.idParameter} cannot be used with the parameter maxResults`,
    })
  if (said !== undefined && !(Number(said) >= least && Number(said) <= most))
    throw new Refusal({
      code: 'InvalidParameterValue',
      message: `Value ( ${said} ) for parameter maxResults is invalid. Expecting a value between ${least} and ${most}.`,
    })
  if (ids.length > 0) return Number.POSITIVE_INFINITY
  return Math.min(Number(said ?? Number.POSITIVE_INFINITY), forced ?? Number.POSITIVE_INFINITY)
}

function tokenOfPage(start: number): string {
  return Buffer.from(`page ${start}`).toString('base64url')
}

function startOfPage(token: string | undefined): number {
  if (token === undefined || token === '') return 0
  const [, start] = /^page (\d+)$/.exec(Buffer.from(token, 'base64url').toString()) ?? []
  if (start === undefined)
    throw new Refusal({ code: 'InvalidParameterValue', message: `Invalid value '${token}' for NextToken` })
  return Number(start)
}
