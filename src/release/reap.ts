import type { Cloud, Resource } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import type { ErrorFacts } from '#src/events.ts'
import { errorFacts } from './step.ts'

/** What a reaper found, and what became of it. */
export interface Reaped {
  cloud: string
  /** Absent when the cloud itself could not be asked. */
  resource?: Resource
  action: 'removed' | 'would be removed' | 'left' | 'failed'
  /** In words for people: how long over, until when, what failed. */
  why: string
  /** Of what failed. */
  error?: ErrorFacts
}

export interface ReapOptions {
  owner: string
  dryRun: boolean
  /** Milliseconds between the two looks; what was prolonged in between lives. */
  confirmMs: number
  /** The release whose cut-off publishes are no leftovers, because it goes on with them. */
  goingOn?: string
}

/** Clocks differ a little; a lease is over when nobody could think otherwise. */
const graceMs = 60_000

/**
 * Removes what bears our owner's mark and whose lease is over, in every cloud, without any memory of ours: what is seen
 * to be over is looked at once more before it is removed. A cloud that fails does not stop the others.
 */
export async function reap(
  clouds: ReadonlyMap<string, Cloud>,
  options: ReapOptions,
  ctx: Context,
): Promise<Reaped[]> {
  const found = await Promise.all([...clouds.values()].map((cloud) => reapCloud(cloud, options, ctx)))
  return found.flat()
}

async function reapCloud(cloud: Cloud, options: ReapOptions, ctx: Context): Promise<Reaped[]> {
  const reaped: Reaped[] = []
  try {
    const { groups: first, failure } = await lookAt(cloud, options, ctx)
    if (failure !== undefined) reaped.push(failed(cloud, failure))
    const over = first.filter((group) => isOver(group, ctx))
    for (const group of first) if (!over.includes(group)) reaped.push(...leave(cloud, group))
    if (options.dryRun) for (const group of over) reaped.push(...told(cloud, group, 'would be removed', ctx))
    if (over.length === 0 || options.dryRun) return reaped
    await ctx.sleep(options.confirmMs)
    const { groups: second, failure: again } = await lookAt(cloud, options, ctx)
    if (again !== undefined && failure === undefined) reaped.push(failed(cloud, again))
    for (const marked of over) {
      const group = second.find(({ name }) => name === marked.name)
      if (!group) continue
      reaped.push(...(isOver(group, ctx) ? await remove(cloud, group, ctx) : leave(cloud, group)))
    }
  } catch (error) {
    ctx.signal.throwIfAborted()
    reaped.push(failed(cloud, error))
  }
  return reaped
}

/** What goes together: everything of one lease, or one leftover of a publish. */
interface Group {
  name: string
  leaseId?: string
  resources: Resource[]
}

/** A place that does not answer hides nothing of the others: what was seen counts, and the failure is told beside it. */
async function lookAt(
  cloud: Cloud,
  { owner, goingOn }: ReapOptions,
  ctx: Context,
): Promise<{ groups: Group[]; failure: unknown }> {
  const groups = new Map<string, Group>()
  let failure: unknown
  const look = async (find: () => Promise<void>) => {
    await find().catch((error: unknown) => {
      ctx.signal.throwIfAborted()
      failure = error
    })
  }
  await look(async () => {
    for await (const resource of cloud.builders?.find(owner, ctx) ?? []) {
      if (resource.owner !== owner || resource.leaseId === undefined) continue
      const name = `lease ${resource.leaseId}`
      const group = groups.get(name) ?? { name, leaseId: resource.leaseId, resources: [] }
      group.resources.push(resource)
      groups.set(name, group)
    }
  })
  await look(async () => {
    for await (const leftover of cloud.images?.leftovers(owner, ctx) ?? []) {
      if (leftover.owner !== owner || (goingOn !== undefined && leftover.release === goingOn)) continue
      const name = `leftover ${leftover.region} ${leftover.id}`
      groups.set(name, { name, resources: [leftover] })
    }
  })
  return { groups: [...groups.values()], failure }
}

/** The latest end that stands on any part counts; what has none on it is never taken for over. */
function endMs({ resources }: Group): number {
  return Math.max(...resources.map(({ expires }) => (expires === undefined ? Infinity : Date.parse(expires))))
}

function isOver(group: Group, ctx: Context): boolean {
  return endMs(group) + graceMs < ctx.now()
}

async function remove(cloud: Cloud, group: Group, ctx: Context): Promise<Reaped[]> {
  try {
    if (group.leaseId !== undefined) await cloud.builders?.release(group.leaseId, ctx)
    else for (const leftover of group.resources) await cloud.images?.discard(leftover, ctx)
    return told(cloud, group, 'removed', ctx)
  } catch (error) {
    ctx.signal.throwIfAborted()
    return group.resources.map((resource) => ({ ...failed(cloud, error), resource }))
  }
}

function told(cloud: Cloud, group: Group, action: Reaped['action'], ctx: Context): Reaped[] {
  const minutes = Math.round((ctx.now() - endMs(group)) / 60_000)
  const why = `its lease has been over for ${minutes} min`
  return group.resources.map((resource) => ({ cloud: cloud.name, resource, action, why }))
}

function failed({ name }: Cloud, failure: unknown): Reaped {
  const error = errorFacts(asFactoryError(failure), (text) => text)
  return { cloud: name, action: 'failed', why: error.message, error }
}

function leave(cloud: Cloud, group: Group): Reaped[] {
  const end = endMs(group)
  const known = Number.isFinite(end)
  const why = known ? `leased until ${new Date(end).toISOString()}` : 'no end of a lease stands on it'
  return group.resources.map((resource) => ({ cloud: cloud.name, resource, action: 'left', why }))
}
