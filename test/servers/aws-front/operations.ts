import { getSnapshotBlock, listSnapshotBlocks, putSnapshotBlock } from './blocks.ts'
import type { Operation } from './call.ts'
import { copyImage } from './copy-image.ts'
import { completeSnapshot, startSnapshot } from './ebs.ts'
import { getCallerIdentity, simulatePrincipalPolicy } from './identity.ts'
import { deregisterImage, disableImageDeprecation, enableImageDeprecation } from './image-life.ts'
import { describeImages } from './image-view.ts'
import { registerImage } from './images.ts'
import { cancelImportTask, describeImportSnapshotTasks, importSnapshot } from './import.ts'
import {
  abortMultipartUpload,
  completeMultipartUpload,
  createMultipartUpload,
  uploadPart,
} from './multipart.ts'
import { headObject, listMultipartUploads, listParts } from './multipart-view.ts'
import { terminateInstances } from './instance-life.ts'
import { describeInstances } from './instance-view.ts'
import { runInstances } from './instances.ts'
import { getServiceQuota } from './quotas.ts'
import { describeImageAttribute, getImageBlockPublicAccessState, modifyImageAttribute } from './sharing.ts'
import { deleteSnapshot, describeSnapshots } from './snapshots.ts'
import { getRole } from './spot-role.ts'
import { describeAddresses, describeNetworkInterfaces, describeVolumes } from './volumes-and-addresses.ts'

/** What the front does, checks or completes itself, by service and action; everything else is the emulator's. */
export const operations: Readonly<Record<string, Operation>> = {
  'ebs StartSnapshot': startSnapshot,
  'ebs PutSnapshotBlock': putSnapshotBlock,
  'ebs CompleteSnapshot': completeSnapshot,
  'ebs ListSnapshotBlocks': listSnapshotBlocks,
  'ebs GetSnapshotBlock': getSnapshotBlock,
  'iam SimulatePrincipalPolicy': simulatePrincipalPolicy,
  'iam GetRole': getRole,
  'sts GetCallerIdentity': getCallerIdentity,
  'ec2 RunInstances': runInstances,
  'ec2 TerminateInstances': terminateInstances,
  'ec2 DescribeInstances': describeInstances,
  'ec2 DescribeVolumes': describeVolumes,
  'ec2 DescribeNetworkInterfaces': describeNetworkInterfaces,
  'ec2 DescribeAddresses': describeAddresses,
  'ec2 DescribeSnapshots': describeSnapshots,
  'ec2 DeleteSnapshot': deleteSnapshot,
  'ec2 RegisterImage': registerImage,
  'ec2 CopyImage': copyImage,
  'ec2 DescribeImages': describeImages,
  'ec2 DeregisterImage': deregisterImage,
  'ec2 DescribeImageAttribute': describeImageAttribute,
  'ec2 ModifyImageAttribute': modifyImageAttribute,
  'ec2 GetImageBlockPublicAccessState': getImageBlockPublicAccessState,
  'ec2 EnableImageDeprecation': enableImageDeprecation,
  'ec2 DisableImageDeprecation': disableImageDeprecation,
  'ec2 ImportSnapshot': importSnapshot,
  'ec2 DescribeImportSnapshotTasks': describeImportSnapshotTasks,
  'ec2 CancelImportTask': cancelImportTask,
  's3 CreateMultipartUpload': createMultipartUpload,
  's3 UploadPart': uploadPart,
  's3 CompleteMultipartUpload': completeMultipartUpload,
  's3 AbortMultipartUpload': abortMultipartUpload,
  's3 ListMultipartUploads': listMultipartUploads,
  's3 ListParts': listParts,
  's3 HeadObject': headObject,
  'servicequotas GetServiceQuota': getServiceQuota,
}
