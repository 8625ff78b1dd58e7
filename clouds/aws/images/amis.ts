import { type Image as Ami, DescribeImagesCommand, paginateDescribeImages } from '@aws-sdk/client-ec2'
import type { Context } from '#src/context.ts'
import { answered } from '../answer.ts'
import { call } from '../call.ts'
import type { RegionClients } from '../clients.ts'
import { awsErrorName } from '../failures.ts'
import { everyItem } from '../pages.ts'
import { type Marks, filtersFor } from '../tags.ts'

const pageSize = 200

/** All AMIs of this account with these marks, in every state, all pages. */
export async function amisWith(clients: RegionClients, marks: Partial<Marks>, ctx: Context): Promise<Ami[]> {
  return await describe(clients, { Filters: filtersFor(marks) }, ctx)
}

/** The AMI of this account with that name, whoever made it. */
export async function amiNamed(clients: RegionClients, name: string, ctx: Context): Promise<Ami | undefined> {
  const [found] = await describe(clients, { Filters: [{ Name: 'name', Values: [name] }] }, ctx)
  return found
}

/** The AMIs of this account that stand on a snapshot, ours or not. */
export async function amisOn(clients: RegionClients, snapshotId: string, ctx: Context): Promise<Ami[]> {
  const filter = { Name: 'block-device-mapping.snapshot-id', Values: [snapshotId] }
  return await describe(clients, { Filters: [filter] }, ctx)
}

/** Undefined when there is none with the id, which right after its making may only mean "not yet". */
export async function amiById(clients: RegionClients, id: string, ctx: Context): Promise<Ami | undefined> {
  const what = `looking at ${id}`
  return await call(what, clients.region, ctx, async (options) => {
    try {
      const { Images } = await clients.ec2.send(new DescribeImagesCommand({ ImageIds: [id] }), options)
      return answered(Images, what, clients.region)[0]
    } catch (error) {
      if (/^InvalidAMIID\.(NotFound|Unavailable)$/.test(awsErrorName(error))) return undefined
      throw error
    }
  })
}

/** The snapshots that an image stands on. */
export function snapshotsOf(ami: Ami | undefined): string[] {
  return (ami?.BlockDeviceMappings ?? []).flatMap(({ Ebs }) => Ebs?.SnapshotId ?? [])
}

async function describe(
  { ec2, region }: RegionClients,
  query: { Filters: { Name: string; Values: string[] }[] },
  ctx: Context,
): Promise<Ami[]> {
  return await call('listing images', region, ctx, async ({ abortSignal }) => {
    const pages = paginateDescribeImages(
      { client: ec2, pageSize },
      { Owners: ['self'], ...query },
      { abortSignal },
    )
    return await everyItem(pages, ({ Images }) => Images)
  })
}
