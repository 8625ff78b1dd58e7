import type { AwsConfiguration } from '../config.ts'

/** A right that the factory cannot do without, or, when `optional`, one without which only the doctor knows less. */
export interface Permission {
  action: string
  /** What it is for, as in `missing: to rent machines`. */
  why: string
  /** The kind of thing that it acts on, as ARNs call it; absent where it is about nothing in particular. */
  on?: ResourceType
  /** Whether only things that bear our mark are ever touched with it. */
  ours?: boolean
  optional?: boolean
}

export type ResourceType =
  | 'instance'
  | 'volume'
  | 'network-interface'
  | 'elastic-ip'
  | 'spot-instances-request'
  | 'snapshot'
  | 'image'
  | 'bucket'
  | 'object'
  | 'role'

/** Who reads the bucket in the name of `importRole`. */
export const importService = 'vmie.amazonaws.com'

/** Every right that a configuration needs, in the order in which a release comes to need it. */
export function permissionsFor(configuration: AwsConfiguration): Permission[] {
  const { base, spot, method, bucket, copyTo, share } = configuration
  const sharing = share.public || share.accounts.length > 0 || share.organizations.length > 0
  return [
    ...common,
    ...machines,
    ...when(spot === 'first', [
      {
        action: 'ec2:CancelSpotInstanceRequests',
        why: 'to take back requests for spot machines',
        on: 'spot-instances-request',
        ours: true,
      },
    ]),
    ...when(
      Object.values(base).some(({ ssm }) => ssm !== undefined),
      [{ action: 'ssm:GetParameter', why: 'to look up the base image of builders' }],
    ),
    ...when(method === 'ebs', blocks),
    ...when(bucket !== undefined, objects),
    ...when(method === 's3', imports),
    ...images,
    ...when(copyTo.length > 0, [{ action: 'ec2:CopyImage', why: 'to copy images to further regions' }]),
    ...when(sharing, [
      { action: 'ec2:DescribeImageAttribute', why: 'to see whom images are shared with' },
      { action: 'ec2:ModifyImageAttribute', why: 'to share images', on: 'image', ours: true },
    ]),
    ...when(share.accounts.length > 0, [
      {
        action: 'ec2:ModifySnapshotAttribute',
        why: 'to share what images stand on',
        on: 'snapshot',
        ours: true,
      },
    ]),
    ...looks,
    ...when(share.public, [
      {
        action: 'ec2:GetImageBlockPublicAccessState',
        why: 'for the doctor: whether images may be public',
        optional: true,
      },
    ]),
  ]
}

const common: readonly Permission[] = [
  { action: 'ec2:DescribeImages', why: 'to find base images and our own' },
  { action: 'ec2:DescribeSnapshots', why: 'to find what images stand on' },
  { action: 'ec2:CreateTags', why: 'to mark what is made, so that it is found and removed again' },
]

const machines: readonly Permission[] = [
  { action: 'ec2:DescribeInstanceTypes', why: 'to know what machines there are' },
  { action: 'ec2:RunInstances', why: 'to rent machines' },
  { action: 'ec2:DescribeInstances', why: 'to find machines again, and those that use an image' },
  { action: 'ec2:TerminateInstances', why: 'to give machines back', on: 'instance', ours: true },
  { action: 'ec2:GetConsoleOutput', why: 'to tell the last words of a machine', on: 'instance', ours: true },
  { action: 'ec2:DescribeVolumes', why: 'to find what machines left' },
  { action: 'ec2:DeleteVolume', why: 'to remove what machines left', on: 'volume', ours: true },
  { action: 'ec2:DescribeNetworkInterfaces', why: 'to find what machines left' },
  {
    action: 'ec2:DeleteNetworkInterface',
    why: 'to remove what machines left',
    on: 'network-interface',
    ours: true,
  },
  { action: 'ec2:DescribeAddresses', why: 'to find what machines left' },
  { action: 'ec2:ReleaseAddress', why: 'to remove what machines left', on: 'elastic-ip', ours: true },
  { action: 'ec2:DescribeSpotInstanceRequests', why: 'to find what machines left' },
]

const blocks: readonly Permission[] = [
  { action: 'ebs:StartSnapshot', why: 'to send images', on: 'snapshot' },
  { action: 'ebs:PutSnapshotBlock', why: 'to send images', on: 'snapshot' },
  { action: 'ebs:CompleteSnapshot', why: 'to send images', on: 'snapshot' },
]

const objects: readonly Permission[] = [
  { action: 's3:ListBucket', why: 'to find what was sent', on: 'bucket' },
  { action: 's3:ListBucketMultipartUploads', why: 'to find what was cut off', on: 'bucket' },
  { action: 's3:PutObject', why: 'to send images', on: 'object' },
  { action: 's3:ListMultipartUploadParts', why: 'to go on with what was cut off', on: 'object' },
  { action: 's3:AbortMultipartUpload', why: 'to remove what was cut off', on: 'object' },
  { action: 's3:GetObject', why: 'to compare what was sent', on: 'object' },
  { action: 's3:DeleteObject', why: 'to remove what was imported', on: 'object' },
  { action: 'ec2:DescribeImportSnapshotTasks', why: 'to wait for imports and find what they left' },
]

const imports: readonly Permission[] = [
  { action: 'ec2:ImportSnapshot', why: 'to make snapshots of what was sent' },
  { action: 'iam:PassRole', why: 'to let AWS read the bucket', on: 'role' },
]

const images: readonly Permission[] = [
  { action: 'ec2:RegisterImage', why: 'to make images of what was sent' },
  {
    action: 'ec2:EnableImageDeprecation',
    why: 'to say which images are not to be used any more',
    on: 'image',
    ours: true,
  },
  {
    action: 'ec2:DisableImageDeprecation',
    why: 'to say which images are to be used after all',
    on: 'image',
    ours: true,
  },
  { action: 'ec2:DeregisterImage', why: 'to remove old images', on: 'image', ours: true },
  { action: 'ec2:DeleteSnapshot', why: 'to remove old images', on: 'snapshot', ours: true },
]

const looks: readonly Permission[] = [
  {
    action: 'ec2:DescribeSubnets',
    why: 'for the doctor: whether subnets have addresses left',
    optional: true,
  },
  { action: 'ec2:DescribeSecurityGroups', why: 'for the doctor: whether SSH is let in', optional: true },
  {
    action: 'servicequotas:GetServiceQuota',
    why: 'for the doctor: whether there are processors left',
    optional: true,
  },
  { action: 'iam:SimulatePrincipalPolicy', why: 'for the doctor: what cannot be tried', optional: true },
  { action: 'iam:GetRole', why: 'for the doctor: which roles there are', optional: true },
]

function when(is: boolean, permissions: readonly Permission[]): readonly Permission[] {
  return is ? permissions : []
}
