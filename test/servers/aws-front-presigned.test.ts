import { createHash } from 'node:crypto'
import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { expect, test } from 'vitest'
import { awsForTests, clientConfig } from './aws-test.ts'

const aws = awsForTests()

test('an address that was signed takes what it was signed for, and nothing else', async () => {
  await using front = await aws.front()
  const s3 = new S3Client({ ...clientConfig(front), forcePathStyle: true })
  const place = { Bucket: 'images', Key: 'disk.qcow2' }
  await s3.send(new CreateBucketCommand({ Bucket: place.Bucket }))
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand(place))
  const bytes = Buffer.from('a part')
  const ContentMD5 = createHash('md5').update(bytes).digest('base64')
  const signed = new Set(['content-md5'])
  const request = new UploadPartCommand({ ...place, UploadId, PartNumber: 1, ContentMD5 })
  const options = { unhoistableHeaders: signed, signableHeaders: new Set(['host', ...signed]) }
  const address = await getSignedUrl(s3, request, { ...options, expiresIn: 60 })
  const put = async (url: string, body: Buffer, md5 = ContentMD5) => {
    const answer = await fetch(url, {
      method: 'PUT',
      body: new Uint8Array(body),
      headers: { 'content-md5': md5 },
    })
    return { status: answer.status, code: /<Code>([^<]+)</.exec(await answer.text())?.[1] }
  }
  expect(await put(address, bytes)).toMatchObject({ status: 200 })
  const refused = { status: 403, code: 'SignatureDoesNotMatch' }
  expect(await put(address.replace('partNumber=1', 'partNumber=2'), bytes)).toEqual(refused)
  const other = createHash('md5').update('another part').digest('base64')
  expect(await put(address, Buffer.from('another part'), other)).toEqual(refused)
  expect(await put(address, Buffer.from('b part'))).toEqual({ status: 400, code: 'BadDigest' })
  front.settings.clockSkewMs = 61_000
  expect(await put(address, bytes)).toEqual({ status: 403, code: 'RequestTimeTooSkewed' })
})
