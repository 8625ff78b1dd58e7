import { randomBytes } from 'node:crypto'
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { expect, test } from 'vitest'
import type { AwsFront } from './aws-front/front.ts'
import { awsForTests, clientConfig, sha256 } from './aws-test.ts'

const aws = awsForTests()
const Bucket = 'images'
const Key = 'disk.raw'
const MiB = 1024 ** 2

function s3In(front: AwsFront, region = 'us-east-1'): S3Client {
  return new S3Client({
    ...clientConfig(front, region),
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })
}

async function begin(s3: S3Client, key = Key): Promise<string> {
  const request = new CreateMultipartUploadCommand({ Bucket, Key: key, ChecksumAlgorithm: 'SHA256' })
  return (await s3.send(request)).UploadId!
}

async function put(s3: S3Client, UploadId: string, PartNumber: number, Body: Buffer, said = Body) {
  const ChecksumSHA256 = sha256(said).toString('base64')
  const request = new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body, ChecksumSHA256 })
  const { ETag } = await s3.send(request)
  return { PartNumber, ETag, ChecksumSHA256 }
}

test('a part is kept with its checksum, refused with a wrong one, and needed when the object is made', async () => {
  await using front = await aws.front({ pageSize: 1 })
  const s3 = s3In(front)
  await s3.send(new CreateBucketCommand({ Bucket }))
  const UploadId = await begin(s3)
  const [first, second] = [randomBytes(5 * MiB), randomBytes(1000)]
  await expect(put(s3, UploadId, 1, first, second)).rejects.toMatchObject({ name: 'BadDigest' })
  const Parts = [await put(s3, UploadId, 1, first), await put(s3, UploadId, 2, second)]
  const page = await s3.send(new ListPartsCommand({ Bucket, Key, UploadId }))
  expect(page).toMatchObject({ IsTruncated: true, Parts: [{ ChecksumSHA256: Parts[0]!.ChecksumSHA256 }] })
  const complete = (parts: typeof Parts) =>
    s3.send(
      new CompleteMultipartUploadCommand({
        Bucket,
        Key,
        UploadId,
        MultipartUpload: { Parts: parts },
        IfNoneMatch: '*',
      }),
    )
  const swapped = Parts.map((part, index) => ({
    ...part,
    ChecksumSHA256: Parts[1 - index]!.ChecksumSHA256,
  }))
  await expect(complete(swapped)).rejects.toMatchObject({ name: 'InvalidPart' })
  await complete(Parts)
  const whole = sha256(Buffer.concat([sha256(first), sha256(second)])).toString('base64')
  const head = new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' })
  expect(await s3.send(head)).toMatchObject({ ChecksumSHA256: `${whole}-2`, ContentLength: 5 * MiB + 1000 })
  await expect(put(s3, UploadId, 1, first)).rejects.toMatchObject({ name: 'NoSuchUpload' })
  const again = await begin(s3)
  const part = await put(s3, again, 1, first)
  const request = { Bucket, Key, UploadId: again, MultipartUpload: { Parts: [part] }, IfNoneMatch: '*' }
  await expect(s3.send(new CompleteMultipartUploadCommand(request))).rejects.toMatchObject({
    name: 'PreconditionFailed',
  })
})

test('unfinished uploads are listed in pages, each with its time', async () => {
  await using front = await aws.front({ pageSize: 1 })
  const s3 = s3In(front)
  await s3.send(new CreateBucketCommand({ Bucket }))
  const ids = [await begin(s3, 'a'), await begin(s3, 'b')]
  const first = await s3.send(new ListMultipartUploadsCommand({ Bucket }))
  expect(first).toMatchObject({ IsTruncated: true, Uploads: [{ Key: 'a', UploadId: ids[0] }] })
  expect(Date.now() - first.Uploads![0]!.Initiated!.getTime()).toBeLessThan(60_000)
  const { NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = first
  const second = await s3.send(new ListMultipartUploadsCommand({ Bucket, KeyMarker, UploadIdMarker }))
  expect(second).toMatchObject({ IsTruncated: false, Uploads: [{ Key: 'b', UploadId: ids[1] }] })
})

test('a bucket answers in its own region and nowhere else', async () => {
  await using front = await aws.front()
  const LocationConstraint = 'eu-west-1'
  const there = s3In(front, LocationConstraint)
  await there.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration: { LocationConstraint } }))
  await there.send(new HeadBucketCommand({ Bucket }))
  await expect(s3In(front).send(new ListMultipartUploadsCommand({ Bucket }))).rejects.toMatchObject({
    name: 'PermanentRedirect',
    $metadata: { httpStatusCode: 301 },
  })
})
