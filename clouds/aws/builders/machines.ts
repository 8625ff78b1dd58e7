import { type Filter, type Instance, paginateDescribeInstances } from '@aws-sdk/client-ec2'
import type { Context } from '#src/context.ts'
import { attemptOf, everyToken } from './attempts.ts'
import { call } from '../call.ts'
import { isNotFound } from '../failures.ts'
import { everyItem } from '../pages.ts'
import type { AwsSettings } from '../settings.ts'
import { filtersFor, marksOf, type Marks } from '../tags.ts'

/** An instance of ours as EC2 tells of it. */
export interface Machine {
  id: string
  region: string
  /** As EC2 writes it: pending, running, shutting-down, terminated, stopping, stopped. */
  state: string
  instanceType: string
  spot: boolean
  token?: string | undefined
  marks: Partial<Marks>
  publicAddress?: string | undefined
  privateAddress?: string | undefined
  /** Why it is in this state, e.g. code `Server.SpotInstanceTermination`. */
  reason?: { code: string; message: string } | undefined
  startedAt: number
}

/** Whether a machine can still be worked on, or will be. */
export function lives({ state }: Machine): boolean {
  return state === 'pending' || state === 'running'
}

/** The machines of a lease by its marks, in every state, also those that have ended and are still listed. */
export async function machinesOfLease(
  settings: AwsSettings,
  region: string,
  leaseId: string,
  ctx: Context,
): Promise<Machine[]> {
  const marks = { owner: settings.owner, lease: leaseId }
  const found = await describe(settings, region, { Filters: filtersFor(marks) }, ctx)
  // Filters take `*` in an owner's name for anything.
  return found.filter((machine) => isOf(machine, settings, leaseId))
}

/** The same by the tokens that a lease asks with, which EC2 may know of before it shows the marks. */
export async function machinesByToken(
  settings: AwsSettings,
  region: string,
  leaseId: string,
  ctx: Context,
): Promise<Machine[]> {
  const Filters = [{ Name: 'client-token', Values: [everyToken(leaseId)] }]
  const found = await describe(settings, region, { Filters }, ctx)
  return found.filter(({ token }) => attemptOf(token, leaseId) !== undefined)
}

/** All machines of an owner that are listed, but not those that have ended. */
export async function machinesOfOwner(
  settings: AwsSettings,
  region: string,
  owner: string,
  ctx: Context,
): Promise<Machine[]> {
  const found = await describe(settings, region, { Filters: filtersFor({ owner }) }, ctx)
  return found.filter(
    ({ marks, state }) => marks['owner'] === owner && marks['lease'] && state !== 'terminated',
  )
}

/** All machines of this account that were started from an image, whoever did, but not those that have ended. */
export async function machinesFromImage(
  settings: AwsSettings,
  region: string,
  imageId: string,
  ctx: Context,
): Promise<Machine[]> {
  const Filters = [{ Name: 'image-id', Values: [imageId] }]
  const found = await describe(settings, region, { Filters }, ctx)
  return found.filter(({ state }) => state !== 'terminated')
}

/** One machine; undefined when EC2 does not know it: not yet, or not any more. */
export async function describeMachine(
  settings: AwsSettings,
  region: string,
  id: string,
  ctx: Context,
): Promise<Machine | undefined> {
  try {
    return (await describe(settings, region, { InstanceIds: [id] }, ctx))[0]
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

export function machineFrom(instance: Instance, region: string): Machine {
  const { InstanceId, State, StateReason, Tags, ClientToken, LaunchTime } = instance
  const { Code: code = '', Message: message = '' } = StateReason ?? {}
  return {
    id: InstanceId ?? '',
    region,
    state: State?.Name ?? 'unknown',
    instanceType: String(instance.InstanceType),
    spot: instance.InstanceLifecycle === 'spot',
    token: ClientToken,
    marks: marksOf(Tags),
    publicAddress: instance.PublicIpAddress,
    privateAddress: instance.PrivateIpAddress,
    startedAt: LaunchTime?.getTime() ?? 0,
    ...(code === '' ? {} : { reason: { code, message } }),
  }
}

function isOf({ marks }: Machine, { owner }: AwsSettings, leaseId: string): boolean {
  return marks['owner'] === owner && marks['lease'] === leaseId
}

async function describe(
  settings: AwsSettings,
  region: string,
  which: { Filters: Filter[] } | { InstanceIds: string[] },
  ctx: Context,
): Promise<Machine[]> {
  const { ec2 } = settings.clients(region)
  // A number of results may not be asked for together with ids.
  const paging = { client: ec2, ...('Filters' in which ? { pageSize: settings.pageSize ?? 1000 } : {}) }
  const reservations = await call('looking at machines', region, ctx, ({ abortSignal }) =>
    everyItem(paginateDescribeInstances(paging, which, { abortSignal }), ({ Reservations }) => Reservations),
  )
  return reservations
    .flatMap(({ Instances = [] }) => Instances)
    .map((instance) => machineFrom(instance, region))
}
