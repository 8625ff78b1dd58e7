import {
  DescribeImportSnapshotTasksCommand,
  ImportSnapshotCommand,
  type ImportSnapshotRequest,
  type ImportSnapshotTask,
  paginateDescribeImportSnapshotTasks,
} from '@aws-sdk/client-ec2'
import type { Context } from '#src/context.ts'
import { answered } from '../answer.ts'
import type { Bucket } from './bucket.ts'
import { call } from '../call.ts'
import type { RegionClients } from '../clients.ts'
import { awsErrorName } from '../failures.ts'
import { importFailed, importRefused } from './import-failures.ts'
import { everyItem } from '../pages.ts'
import { type Marks, marksOf } from '../tags.ts'
import { until } from '../wait.ts'

const pageSize = 200
/** Large disks have been seen to take more than an hour; a publish may take two. */
const importLimitMs = 100 * 60_000
/** A task that was just made may be unknown for a while. */
const visibleLimitMs = 2 * 60_000

/**
 * All import tasks of this account with these marks, in every state, all pages. Which filters the call knows is not written
 * down anywhere, so the choice is made here.
 */
export async function importTasksWith(
  { ec2, region }: RegionClients,
  marks: Partial<Marks>,
  ctx: Context,
): Promise<ImportSnapshotTask[]> {
  return await call('listing imports', region, ctx, async ({ abortSignal }) => {
    const pages = paginateDescribeImportSnapshotTasks({ client: ec2, pageSize }, {}, { abortSignal })
    const tasks = await everyItem(pages, ({ ImportSnapshotTasks }) => ImportSnapshotTasks)
    return tasks.filter(({ Tags }) => {
      const own = marksOf(Tags)
      return Object.entries(marks).every(([name, value]) => own[name] === value)
    })
  })
}

/** The id of a new import task; with the token of one that is there, of that one. */
export async function startImport(
  bucket: Bucket,
  request: ImportSnapshotRequest & { RoleName: string },
  ctx: Context,
): Promise<string> {
  const { clients, region } = bucket
  const what = 'starting an import'
  const answer = await call(what, region, ctx, async (options) => {
    try {
      return await clients.ec2.send(new ImportSnapshotCommand(request), options)
    } catch (error) {
      throw importRefused(error, request.RoleName, bucket) ?? error
    }
  })
  return answered(answer.ImportTaskId, what, region)
}

/**
 * Waits for the snapshot that an import makes and returns its id. The SDK's own waiter knows one way to fail of the five
 * that there are, and takes even a missing right for "not yet".
 */
export async function importedSnapshot(clients: RegionClients, id: string, ctx: Context): Promise<string> {
  const startedAt = ctx.now()
  return await until(`the import ${id} in ${clients.region}`, importLimitMs, ctx, async () => {
    const task = await importTaskById(clients, id, ctx)
    const { Status, StatusMessage, Progress, SnapshotId } = task?.SnapshotTaskDetail ?? {}
    if (Status === 'completed' && SnapshotId) return SnapshotId
    const isGone = task === undefined && ctx.now() - startedAt > visibleLimitMs
    if (isGone || isOver(Status))
      throw importFailed({ id, status: Status ?? 'gone', message: StatusMessage }, clients.region)
    ctx.emit({
      message: `AWS imports it (${id}): ${StatusMessage ?? Status ?? 'not begun yet'}`,
      ...(Progress === undefined ? {} : { done: Number(Progress), total: 100 }),
    })
    return undefined
  })
}

/** Whether an import has ended one way or another: completed, deleted, deleting, cancelled, cancelling, error. */
export function isOver(status: string | undefined): boolean {
  return /^(completed|delet|cancel|err|fail)/.test(status ?? '')
}

async function importTaskById(
  { ec2, region }: RegionClients,
  id: string,
  ctx: Context,
): Promise<ImportSnapshotTask | undefined> {
  const what = `looking at ${id}`
  return await call(what, region, ctx, async (options) => {
    try {
      const request = new DescribeImportSnapshotTasksCommand({ ImportTaskIds: [id] })
      const { ImportSnapshotTasks } = await ec2.send(request, options)
      return answered(ImportSnapshotTasks, what, region)[0]
    } catch (error) {
      if (awsErrorName(error).startsWith('InvalidConversionTaskId')) return undefined
      throw error
    }
  })
}
