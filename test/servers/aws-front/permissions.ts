import type { Call } from './call.ts'
import { groupsOf, listOf, tagSpecifications } from './query.ts'
import type { Parameters } from './query.ts'

/** One question to the policy. */
export interface Permission {
  readonly action: string
  readonly resource: string
  /** Condition keys in lower case. */
  readonly context: Readonly<Record<string, string>>
}

type Ask = Pick<Call, 'service' | 'region' | 'action' | 'parameters'>

/**
 * Everything that the caller has to be allowed for this request, as AWS's service authorization reference has it:
 * https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
 */
export function permissionsFor(call: Ask, account: string): Permission[] {
  const { service } = call
  if (service === 'ec2') return ec2Permissions(call, account)
  if (service === 'ebs') return [one(`ebs:${call.action}`, snapshotArn(call, call.parameters['SnapshotId']))]
  if (service === 's3') return [s3Permission(call.action, call.parameters)]
  if (service === 'iam') return [one(`iam:${call.action}`, iamResource(call.parameters, account))]
  if (service === 'ssm') {
    const { Name = '*' } = call.parameters
    return [
      one(`ssm:${call.action}`, `arn:aws:ssm:${call.region}:${account}:parameter/${Name.replace(/^\//, '')}`),
    ]
  }
  // Everybody may ask who he is.
  if (service === 'sts' && call.action === 'GetCallerIdentity') return []
  return [one(`${service}:${call.action}`, '*')]
}

/** Actions that look at nothing in particular. */
const general = /^(Describe|Get|List)/

function ec2Permissions(call: Ask, account: string): Permission[] {
  const { action, parameters } = call
  if (general.test(action)) return [one(`ec2:${action}`, '*')]
  const arn = (type: string, id: string) => ec2Arn(call, account, type, id)
  const own = (resources: readonly string[]) => resources.map((resource) => one(`ec2:${action}`, resource))
  const tagged = Object.entries(tagSpecifications(parameters)).map(([type, tags]) =>
    one('ec2:CreateTags', arn(type, '*'), { 'ec2:createaction': action, ...tagContext(tags) }),
  )
  switch (action) {
    case 'RunInstances': {
      const subnet = parameters['SubnetId'] ?? parameters['NetworkInterface.1.SubnetId'] ?? '*'
      const groups = [
        ...listOf(parameters, 'SecurityGroupId'),
        ...groupsOf(parameters, 'NetworkInterface').flatMap((each) => listOf(each, 'SecurityGroupId')),
      ]
      return [
        ...own([
          arn('instance', '*'),
          arn('volume', '*'),
          arn('network-interface', '*'),
          arn('image', parameters['ImageId'] ?? '*'),
          arn('subnet', subnet),
          ...groups.map((id) => arn('security-group', id)),
        ]),
        ...tagged,
      ]
    }
    case 'RegisterImage': {
      const mappings = groupsOf(parameters, 'BlockDeviceMapping')
      const snapshots = mappings.flatMap((each) => each['Ebs.SnapshotId'] ?? [])
      return [...own([arn('image', '*'), ...snapshots.map((id) => arn('snapshot', id))]), ...tagged]
    }
    case 'CopyImage':
      return [...own([arn('image', '*')]), ...tagged]
    case 'ImportSnapshot': {
      const role = `arn:aws:iam::${account}:role/${parameters['RoleName'] ?? 'vmimport'}`
      const passed = one('iam:PassRole', role, { 'iam:passedtoservice': 'vmie.amazonaws.com' })
      return [...own([arn('import-snapshot-task', '*'), arn('snapshot', '*')]), passed, ...tagged]
    }
    default: {
      const ids = Object.values(parameters).flatMap((value) => resourceType(value) ?? [])
      const resources = ids.map(({ type, id }) => arn(type, id))
      return [...own(resources.length > 0 ? resources : ['*']), ...tagged]
    }
  }
}

const typeOfPrefix: Readonly<Record<string, string>> = {
  ami: 'image',
  snap: 'snapshot',
  i: 'instance',
  vol: 'volume',
  eni: 'network-interface',
  eipalloc: 'elastic-ip',
  subnet: 'subnet',
  sg: 'security-group',
  'import-snap': 'import-snapshot-task',
}

/** What an id is the id of. */
export function resourceType(value: string): { type: string; id: string } | undefined {
  const [, prefix = ''] = /^([a-z]+(?:-[a-z]+)*)-[0-9a-f]{8,17}$/.exec(value) ?? []
  const type = typeOfPrefix[prefix]
  return type === undefined ? undefined : { type, id: value }
}

/** Images and snapshots have no account in their names. */
function ec2Arn({ region }: Ask, account: string, type: string, id: string): string {
  const owner = type === 'image' || type === 'snapshot' ? '' : account
  return `arn:aws:ec2:${region}:${owner}:${type}/${id}`
}

function snapshotArn({ region }: Ask, id = '*'): string {
  return `arn:aws:ec2:${region}::snapshot/${id}`
}

/** The operations that ask for another permission than their own name: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html */
const s3Actions: Readonly<Record<string, string>> = {
  CreateMultipartUpload: 'PutObject',
  UploadPart: 'PutObject',
  CompleteMultipartUpload: 'PutObject',
  ListParts: 'ListMultipartUploadParts',
  ListMultipartUploads: 'ListBucketMultipartUploads',
  HeadObject: 'GetObject',
  GetObjectAttributes: 'GetObject',
  DeleteObjects: 'DeleteObject',
  HeadBucket: 'ListBucket',
  ListObjects: 'ListBucket',
  ListObjectsV2: 'ListBucket',
  ListBuckets: 'ListAllMyBuckets',
  GetBucketLifecycleConfiguration: 'GetLifecycleConfiguration',
  PutBucketLifecycleConfiguration: 'PutLifecycleConfiguration',
  GetBucketEncryption: 'GetEncryptionConfiguration',
}

function s3Permission(action: string, { Bucket, Key }: Parameters): Permission {
  const resource = Bucket === undefined ? '*' : `arn:aws:s3:::${Bucket}${Key === undefined ? '' : `/${Key}`}`
  return one(`s3:${s3Actions[action] ?? action}`, resource)
}

function iamResource(parameters: Parameters, account: string): string {
  if (parameters['PolicySourceArn'] !== undefined) return parameters['PolicySourceArn']
  const { RoleName: role } = parameters
  return role === undefined ? '*' : `arn:aws:iam::${account}:role/${role}`
}

function tagContext(tags: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(tags).map(([key, value]) => [`aws:requesttag/${key.toLowerCase()}`, value]),
  )
}

function one(action: string, resource: string, context: Permission['context'] = {}): Permission {
  return { action, resource, context }
}
