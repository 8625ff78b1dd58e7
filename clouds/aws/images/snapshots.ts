import {
  CreateTagsCommand,
  DeleteSnapshotCommand,
  DescribeSnapshotsCommand,
  type Snapshot,
  type Tag,
  paginateDescribeSnapshots,
} from '@aws-sdk/client-ec2'
import type { Context } from '#src/context.ts'
import { answered } from '../answer.ts'
import { call } from '../call.ts'
import type { RegionClients } from '../clients.ts'
import { awsErrorName } from '../failures.ts'
import { everyItem } from '../pages.ts'
import { type Marks, filtersFor } from '../tags.ts'

const pageSize = 200

/** All snapshots of this account with these marks, in every state, all pages. */
export async function snapshotsWith(
  { ec2, region }: RegionClients,
  marks: Partial<Marks>,
  ctx: Context,
): Promise<Snapshot[]> {
  return await call('listing snapshots', region, ctx, async ({ abortSignal }) => {
    const query = { OwnerIds: ['self'], Filters: filtersFor(marks) }
    const pages = paginateDescribeSnapshots({ client: ec2, pageSize }, query, { abortSignal })
    return await everyItem(pages, ({ Snapshots }) => Snapshots)
  })
}

/** Undefined when there is none with the id, which right after its start may only mean "not yet". */
export async function snapshotById(
  { ec2, region }: RegionClients,
  id: string,
  ctx: Context,
): Promise<Snapshot | undefined> {
  const what = `looking at ${id}`
  return await call(what, region, ctx, async (options) => {
    try {
      const { Snapshots } = await ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [id] }), options)
      return answered(Snapshots, what, region)[0]
    } catch (error) {
      if (awsErrorName(error) === 'InvalidSnapshot.NotFound') return undefined
      throw error
    }
  })
}

export async function tagSnapshot(
  { ec2, region }: RegionClients,
  id: string,
  Tags: Tag[],
  ctx: Context,
): Promise<void> {
  await call(`marking ${id}`, region, ctx, (options) =>
    ec2.send(new CreateTagsCommand({ Resources: [id], Tags }), options),
  )
}

/** "Not there" is success; says `in use` when an image stands on it, which keeps it. */
export async function deleteSnapshot(
  { ec2, region }: RegionClients,
  id: string,
  ctx: Context,
): Promise<'deleted' | 'in use'> {
  return await call(`deleting ${id}`, region, ctx, async (options) => {
    try {
      await ec2.send(new DeleteSnapshotCommand({ SnapshotId: id }), options)
    } catch (error) {
      const name = awsErrorName(error)
      if (name === 'InvalidSnapshot.InUse') return 'in use'
      if (name !== 'InvalidSnapshot.NotFound') throw error
    }
    return 'deleted'
  })
}
