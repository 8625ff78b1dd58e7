import type { IncomingHttpHeaders } from 'node:http'
import type { Parameters } from './query.ts'

export interface RequestHead {
  readonly service: string
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
}

/** Which operation a request asks for, as the service's model names it, with everything it gives along. */
export function operationOf(head: RequestHead, body: Buffer): { action: string; parameters: Parameters } {
  const { service, headers } = head
  if (service === 'ebs') return ebsOperation(head, body)
  if (service === 's3') return s3Operation(head)
  const target = headers['x-amz-target']
  if (typeof target === 'string')
    return { action: target.split('.').at(-1) ?? target, parameters: topLevel(body) }
  const parameters = Object.fromEntries(new URLSearchParams(body.toString('utf8')))
  return { action: parameters['Action'] ?? '', parameters }
}

/** https://docs.aws.amazon.com/ebs/latest/APIReference/API_Operations.html */
function ebsOperation({ method, url, headers }: RequestHead, body: Buffer) {
  const { path, query } = parts(url)
  const [, resource, id = '', blocks, index] = path
  const common = { ...query, ...amazonHeaders(headers) }
  if (resource !== 'snapshots') return { action: '', parameters: common }
  if (method === 'POST' && id === 'completion')
    return { action: 'CompleteSnapshot', parameters: { ...common, SnapshotId: path[3] ?? '' } }
  if (method === 'POST' && id === '')
    return { action: 'StartSnapshot', parameters: { ...common, ...topLevel(body) } }
  const parameters = { ...common, SnapshotId: id, ...(index === undefined ? {} : { BlockIndex: index }) }
  if (method === 'PUT' && index !== undefined) return { action: 'PutSnapshotBlock', parameters }
  if (method === 'GET' && index !== undefined) return { action: 'GetSnapshotBlock', parameters }
  if (method === 'GET' && blocks === 'blocks') return { action: 'ListSnapshotBlocks', parameters }
  if (method === 'GET' && blocks === 'changedblocks') return { action: 'ListChangedBlocks', parameters }
  return { action: '', parameters }
}

/** By method and by the first sub-resource of the query that is in the table. */
const ofObject: Readonly<Record<string, string>> = {
  'PUT uploadId': 'UploadPart',
  'POST uploads': 'CreateMultipartUpload',
  'POST uploadId': 'CompleteMultipartUpload',
  'DELETE uploadId': 'AbortMultipartUpload',
  'GET uploadId': 'ListParts',
  'PUT tagging': 'PutObjectTagging',
  'GET tagging': 'GetObjectTagging',
  'GET attributes': 'GetObjectAttributes',
  'PUT ': 'PutObject',
  'GET ': 'GetObject',
  'HEAD ': 'HeadObject',
  'DELETE ': 'DeleteObject',
}
const ofBucket: Readonly<Record<string, string>> = {
  'GET uploads': 'ListMultipartUploads',
  'GET location': 'GetBucketLocation',
  'GET acl': 'GetBucketAcl',
  'GET lifecycle': 'GetBucketLifecycleConfiguration',
  'PUT lifecycle': 'PutBucketLifecycleConfiguration',
  'GET encryption': 'GetBucketEncryption',
  'GET policy': 'GetBucketPolicy',
  'POST delete': 'DeleteObjects',
  'GET list-type': 'ListObjectsV2',
  'GET ': 'ListObjects',
  'PUT ': 'CreateBucket',
  'HEAD ': 'HeadBucket',
  'DELETE ': 'DeleteBucket',
}

function s3Operation({ method, url, headers }: RequestHead) {
  const { path, query: all } = parts(url)
  // What signs an address is no parameter.
  const query = Object.fromEntries(Object.entries(all).filter(([name]) => !name.startsWith('X-Amz-')))
  const [, bucket = '', ...rest] = path
  const key = rest.join('/')
  const parameters = {
    ...query,
    ...amazonHeaders(headers),
    ...(bucket === '' ? {} : { Bucket: bucket }),
    ...(key === '' ? {} : { Key: key }),
  }
  if (bucket === '') return { action: 'ListBuckets', parameters }
  const table = key === '' ? ofBucket : ofObject
  const found = Object.keys(query).find((name) => `${method} ${name}` in table)
  return { action: table[`${method} ${found ?? ''}`] ?? '', parameters }
}

function parts(url: string): { path: string[]; query: Record<string, string> } {
  const { pathname, searchParams } = new URL(url, 'http://front')
  return { path: pathname.split('/').map(decodeURIComponent), query: Object.fromEntries(searchParams) }
}

/** No parameters, and one of them a secret. */
const ofSigning = new Set([
  'x-amz-content-sha256',
  'x-amz-date',
  'x-amz-security-token',
  'x-amz-target',
  'x-amz-user-agent',
])

function amazonHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const about = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-') && !ofSigning.has(name))
  return Object.fromEntries(about.map(([name, value]) => [name, String(value)]))
}

/** The top level of a JSON body; what is no text is written as JSON. */
function topLevel(body: Buffer): Record<string, string> {
  if (body.length === 0) return {}
  const said = JSON.parse(body.toString('utf8')) as Record<string, unknown>
  return Object.fromEntries(
    Object.entries(said).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  )
}
