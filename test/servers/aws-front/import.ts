import { randomBytes } from 'node:crypto'
import type { Operation } from './call.ts'
import { describe } from './describe.ts'
import type { View } from './describe.ts'
import { endOfDryRun } from './dry-run.ts'
import { importedSnapshot } from './import-content.ts'
import { needRole, needSource } from './import-source.ts'
import type { ImportSource } from './import-source.ts'
import { fingerprint, need, tagSpecifications } from './query.ts'
import { Refusal } from './refusal.ts'
import { idempotentMismatch } from './tokens.ts'
import type { World } from './world.ts'
import { ec2Answer, tagSet, text } from './xml.ts'
import type { Node } from './xml.ts'

/** A disk on its way from a bucket into a snapshot, which moto has not. */
export interface ImportTask {
  readonly id: string
  readonly region: string
  readonly description: string
  readonly source: ImportSource
  readonly tags: Readonly<Record<string, string>>
  status: 'active' | 'completed' | 'deleting' | 'deleted' | 'error' | 'cancelling' | 'cancelled'
  statusMessage: string
  /** Per cent. */
  progress: number
  pollsLeft: number
  snapshotId?: string
  /** Under way since the last poll; two that ask at once wait for the same one. */
  conversion?: Promise<string>
}

export const importSnapshot: Operation = async (call, world) => {
  const { parameters, region } = call
  const source = await needSource(parameters, world, region)
  await needRole(parameters['RoleName'] ?? 'vmimport', world)
  endOfDryRun(call)
  const id = await world.tokens.once({
    scope: `ImportSnapshot ${region}`,
    token: parameters['ClientToken'],
    fingerprint: fingerprint(parameters),
    mismatch: idempotentMismatch,
    first: async () => {
      const task: ImportTask = {
        id: `import-snap-${randomBytes(9).toString('hex').slice(0, 17)}`,
        region,
        description: parameters['Description'] ?? '',
        source,
        tags: tagSpecifications(parameters)['import-snapshot-task'] ?? {},
        status: 'active',
        statusMessage: 'pending',
        progress: 0,
        pollsLeft: world.settings.polls.import,
      }
      world.imports.set(task.id, task)
      return task.id
    },
  })
  const task = world.imports.get(id)
  return ec2Answer('ImportSnapshot', task ? shown(task) : {})
}

const view: View = {
  action: 'DescribeImportSnapshotTasks',
  set: 'importSnapshotTaskSet',
  idParameter: 'ImportTaskId',
  kind: undefined,
  pageLimits: [1, 1000],
  notFound: noSuchTask,
  idOf: (item) => text(item, 'importTaskId') ?? '',
  filters: { 'task-state': 'snapshotTaskDetail.status' },
  list: async (call, world) =>
    [...world.imports.values()].filter(({ region }) => region === call.region).map(shown),
  complete: (item) => item,
  async seen(item, world) {
    const task = world.imports.get(view.idOf(item))
    if (task) await goOn(task, world)
  },
}

export const describeImportSnapshotTasks: Operation = (call, world) => describe(call, world, view)

export const cancelImportTask: Operation = async (call, world) => {
  const id = need(call.parameters, 'ImportTaskId')
  const task = world.imports.get(id)
  if (task?.region !== call.region) throw noSuchTask(id)
  endOfDryRun(call)
  const previousState = task.status
  if (task.status === 'active') {
    task.status = 'deleted'
    task.statusMessage = 'Cancelled by the user'
  }
  return ec2Answer('CancelImportTask', { importTaskId: id, previousState, state: task.status })
}

/** Each description brings it further; how it ends is what `importOutcome` says at the end. */
async function goOn(task: ImportTask, world: World): Promise<void> {
  if (task.status === 'deleting') task.status = 'deleted'
  if (task.status === 'cancelling') task.status = 'cancelled'
  if (task.status !== 'active') return
  task.pollsLeft -= 1
  task.statusMessage = 'converting'
  task.progress = Math.min(99, Math.round(100 / (Math.max(task.pollsLeft, 0) + 1)))
  if (task.pollsLeft > 0) return
  const { status, statusMessage } = world.settings.importOutcome
  if (status === 'completed') task.snapshotId = await (task.conversion ??= importedSnapshot(task, world))
  task.status = status
  task.statusMessage = statusMessage
}

function shown(task: ImportTask): Node {
  const { id, description, source, status, statusMessage, progress, snapshotId, tags } = task
  const isOver = status === 'completed'
  const detail = {
    description,
    diskImageSize: String(source.bytes),
    format: source.format,
    status,
    userBucket: { s3Bucket: source.bucket, s3Key: source.key },
    ...(statusMessage === '' ? {} : { statusMessage }),
    ...(isOver ? {} : { progress: String(progress) }),
    ...(snapshotId === undefined ? {} : { snapshotId }),
  }
  return { importTaskId: id, description, snapshotTaskDetail: detail, tagSet: tagSet(tags) }
}

function noSuchTask(id: string): Refusal {
  return new Refusal({
    code: 'InvalidConversionTaskId',
    message: `The import task ID ${id} does not exist`,
  })
}
