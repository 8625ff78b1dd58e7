import { createHash } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import type { Answer, Call, Operation } from './call.ts'
import { Refusal } from './refusal.ts'
import type { World } from './world.ts'

/** An upload in parts that is not complete; moto keeps the bytes. */
export interface UploadRecord {
  readonly id: string
  readonly bucket: string
  readonly key: string
  /** RFC 3339; moto's are all of 2010. */
  readonly startedAt: string
  readonly hasChecksums: boolean
  /** Base64 SHA-256 by number. */
  readonly checksums: Map<number, string>
}

export const createMultipartUpload: Operation = async (call, world) => {
  const { Bucket: bucket = '', Key: key = '' } = call.parameters
  const answer = await world.upstream.forward(call)
  const [, id] = /<UploadId>([^<]+)</.exec(String(answer.body)) ?? []
  if (id === undefined) return answer
  const hasChecksums = call.headers['x-amz-checksum-algorithm'] === 'SHA256'
  const startedAt = new Date(Date.now() + world.settings.clockSkewMs).toISOString()
  world.uploads.set(id, { id, bucket, key, startedAt, hasChecksums, checksums: new Map() })
  return answer
}

/** moto believes any checksum and keeps none; S3 compares it with the bytes: https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html */
export const uploadPart: Operation = async (call, world) => {
  const upload = needUpload(call, world)
  const said = call.headers['x-amz-checksum-sha256']
  if (upload.hasChecksums && said === undefined)
    throw invalidRequest('The upload was created using a sha256 checksum. The part has to have one.')
  const digest = createHash('sha256')
  const md5 = createHash('md5')
  call.stream?.on('data', (bytes: Buffer) => {
    digest.update(bytes)
    md5.update(bytes)
  })
  const answer = await world.upstream.forward(call)
  const saidMd5 = call.headers['content-md5']
  if (saidMd5 !== undefined && saidMd5 !== md5.digest('base64'))
    throw new Refusal({
      code: 'BadDigest',
      message: 'The Content-MD5 you specified did not match what we received.',
    })
  const checksum = digest.digest('base64')
  const number = Number(call.parameters['partNumber'])
  if (said !== undefined && said !== checksum) {
    upload.checksums.delete(number)
    throw new Refusal({
      code: 'BadDigest',
      message: 'The SHA256 you specified did not match what we received.',
    })
  }
  if (answer.status < 300) upload.checksums.set(number, checksum)
  return { ...answer, headers: { ...answer.headers, 'x-amz-checksum-sha256': checksum } }
}

/** Every part has to be there with the checksum that is said, and nothing under the key where that is asked for. */
export const completeMultipartUpload: Operation = async (call, world) => {
  const upload = needUpload(call, world)
  const { stream, ...withoutStream } = call
  const body = stream ? await buffer(stream) : call.body
  const parts = [...String(body).matchAll(/<Part>(.*?)<\/Part>/gs)].map(([, part = '']) => ({
    number: Number(inside(part, 'PartNumber')),
    checksum: inside(part, 'ChecksumSHA256'),
  }))
  if (upload.hasChecksums && parts.some(({ number, checksum }) => checksum !== upload.checksums.get(number)))
    throw new Refusal({
      code: 'InvalidPart',
      message: 'One or more of the specified parts could not be found.',
    })
  if (call.headers['if-none-match'] === '*' && (await isThere(call, world)))
    throw new Refusal({
      code: 'PreconditionFailed',
      status: 412,
      message: 'At least one of the pre-conditions you specified did not hold',
    })
  const answer = await world.upstream.forward({ ...withoutStream, body })
  if (answer.status >= 300) return answer
  world.uploads.delete(upload.id)
  const digests = parts.map(({ checksum = '' }) => Buffer.from(checksum, 'base64'))
  const whole = `${createHash('sha256').update(Buffer.concat(digests)).digest('base64')}-${parts.length}`
  if (upload.hasChecksums) world.checksums.set(`${upload.bucket}/${upload.key}`, whole)
  return answer
}

/** "Not there (any more)" is a refusal of S3's; moto breaks. */
export function needUpload({ parameters }: Call, world: World): UploadRecord {
  const upload = world.uploads.get(parameters['uploadId'] ?? '')
  if (upload && upload.key === parameters['Key'] && upload.bucket === parameters['Bucket']) return upload
  throw new Refusal({
    code: 'NoSuchUpload',
    status: 404,
    message:
      'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
  })
}

export const abortMultipartUpload: Operation = async (call, world) => {
  const upload = needUpload(call, world)
  const answer: Answer = await world.upstream.forward(call)
  world.uploads.delete(upload.id)
  return answer
}

async function isThere({ region, url }: Call, world: World): Promise<boolean> {
  const path = url.replace(/\?.*/, '')
  return (await world.upstream.ask({ service: 's3', region, method: 'HEAD', path })).status === 200
}

export function inside(xml: string, name: string): string | undefined {
  return new RegExp(`<${name}>([^<]*)<`).exec(xml)?.[1]
}

function invalidRequest(message: string): Refusal {
  return new Refusal({ code: 'InvalidRequest', message })
}
