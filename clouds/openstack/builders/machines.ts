import { z } from 'zod'
import type { Context } from '#src/context.ts'
import { offersService } from '../catalogue.ts'
import { isNotFound } from '../failures.ts'
import { type Marks, isOf, marksOf } from '../marks.ts'
import { everyItem } from '../pages.ts'
import type { OpenstackSettings } from '../settings.ts'
import { resourceName } from './names.ts'

/** https://docs.openstack.org/api-ref/compute/#show-server-details */
const server = z.object({
  id: z.string(),
  name: z.string(),
  status: z.string(),
  created: z.string(),
  metadata: z.record(z.string(), z.string()).default({}),
  addresses: z
    .record(
      z.string(),
      z.array(z.object({ addr: z.string(), version: z.number(), 'OS-EXT-IPS:type': z.string().optional() })),
    )
    .default({}),
  /** An empty text where it was started from a volume. */
  image: z.union([z.literal(''), z.object({ id: z.string() })]).nullish(),
  flavor: z.object({ original_name: z.string().optional() }).optional(),
  'OS-EXT-STS:task_state': z.string().nullish(),
  fault: z.object({ message: z.string() }).optional(),
})

/** A server of ours as Nova tells of it. */
export interface Machine {
  id: string
  /** As Nova writes it: BUILD, ACTIVE, SHUTOFF, ERROR … */
  state: string
  isBeingDeleted: boolean
  marks: Partial<Marks>
  flavor: string
  /** Why it is in ERROR. */
  fault: string | undefined
  /** Its own addresses, by network; floating IPs are not among them. */
  addresses: { network: string; address: string; version: number }[]
  startedAt: number
}

/** Those in which nobody can work on a machine any more; SHUTOFF is how one ends itself. */
const endedStates = [
  'ERROR',
  'SHUTOFF',
  'DELETED',
  'SOFT_DELETED',
  'SUSPENDED',
  'SHELVED',
  'SHELVED_OFFLOADED',
]

/** Whether a machine can still be worked on, or will be. */
export function lives({ state, isBeingDeleted }: Machine): boolean {
  return !isBeingDeleted && !endedStates.includes(state)
}

/** The machines of a lease in every state. */
export async function machinesOfLease(
  settings: OpenstackSettings,
  leaseId: string,
  ctx: Context,
): Promise<Machine[]> {
  // Nova takes the name for a regular expression; a lease has nothing in it that means something there.
  const found = await list(settings, { name: `^${resourceName(leaseId)}$` }, ctx)
  return found.filter(({ marks }) => isOf(marks, { owner: settings.owner, lease: leaseId }))
}

/** All machines of an owner. */
export async function machinesOfOwner(
  settings: OpenstackSettings,
  owner: string,
  ctx: Context,
): Promise<Machine[]> {
  return (await list(settings, {}, ctx)).filter(({ marks }) => isOf(marks, { owner }))
}

/** The ids of the servers of the project that started from an image, whoever started them. */
export async function machinesFromImage(
  settings: OpenstackSettings,
  region: string,
  imageId: string,
  ctx: Context,
): Promise<string[]> {
  if (!(await offersService(settings, 'compute', region, ctx))) return []
  const found = await listServers(settings, region, { image: imageId }, ctx)
  return found.flatMap(({ id, image }) => (image && image.id === imageId ? [id] : []))
}

/** One machine; undefined when Nova does not know it any more. */
export async function machineById(
  { session, configuration: { region } }: OpenstackSettings,
  id: string,
  ctx: Context,
): Promise<Machine | undefined> {
  const request = {
    service: 'compute',
    region,
    what: `looking at the server ${id}`,
    path: `/servers/${id}`,
  } as const
  try {
    return machineFrom((await session.json(request, z.object({ server }), ctx)).server)
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

async function list(
  settings: OpenstackSettings,
  query: Record<string, string>,
  ctx: Context,
): Promise<Machine[]> {
  return (await listServers(settings, settings.configuration.region, query, ctx)).map(machineFrom)
}

async function listServers(
  settings: OpenstackSettings,
  region: string,
  query: Record<string, string>,
  ctx: Context,
): Promise<z.infer<typeof server>[]> {
  const what = 'looking at servers'
  const listing = {
    service: 'compute',
    region,
    what,
    path: '/servers/detail',
    query,
    collection: 'servers',
  } as const
  return await everyItem(settings, { ...listing, item: server }, ctx)
}

function machineFrom(found: z.infer<typeof server>): Machine {
  const { id, status, metadata, created, fault, flavor } = found
  const addresses = Object.entries(found.addresses).flatMap(([network, list]) =>
    list
      .filter((each) => each['OS-EXT-IPS:type'] !== 'floating')
      .map(({ addr: address, version }) => ({ network, address, version })),
  )
  return {
    id,
    state: status,
    isBeingDeleted: found['OS-EXT-STS:task_state'] === 'deleting',
    marks: marksOf(metadata),
    flavor: flavor?.original_name ?? '',
    fault: fault?.message,
    addresses,
    startedAt: Date.parse(created),
  }
}
