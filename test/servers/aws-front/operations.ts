import type { Operation } from './call.ts'
import { getSnapshotBlock, listSnapshotBlocks, putSnapshotBlock } from './blocks.ts'
import { completeSnapshot, startSnapshot } from './ebs.ts'
import { deregisterImage, disableImageDeprecation, enableImageDeprecation } from './image-life.ts'
import { describeImages } from './image-view.ts'
import { registerImage } from './images.ts'
import { deleteSnapshot, describeSnapshots } from './snapshots.ts'

/** What the front does, checks or completes itself, by service and action; everything else is the emulator's. */
export const operations: Readonly<Record<string, Operation>> = {
  'ebs StartSnapshot': startSnapshot,
  'ebs PutSnapshotBlock': putSnapshotBlock,
  'ebs CompleteSnapshot': completeSnapshot,
  'ebs ListSnapshotBlocks': listSnapshotBlocks,
  'ebs GetSnapshotBlock': getSnapshotBlock,
  'ec2 DescribeSnapshots': describeSnapshots,
  'ec2 DeleteSnapshot': deleteSnapshot,
  'ec2 RegisterImage': registerImage,
  'ec2 DescribeImages': describeImages,
  'ec2 DeregisterImage': deregisterImage,
  'ec2 EnableImageDeprecation': enableImageDeprecation,
  'ec2 DisableImageDeprecation': disableImageDeprecation,
}
