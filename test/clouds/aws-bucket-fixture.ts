import { randomBytes } from 'node:crypto'
import { DescribeImportSnapshotTasksCommand, EC2Client } from '@aws-sdk/client-ec2'
import { CreateRoleCommand, IAMClient } from '@aws-sdk/client-iam'
import {
  type BucketLocationConstraint,
  CreateBucketCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3'
import { awsClients } from '#clouds/aws/clients.ts'
import { completePolicy } from '#clouds/aws/doctor/policy.ts'
import type { AwsConfiguration } from '#clouds/aws/config.ts'
import type { ImageKey } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import { stalled } from '#test/servers/aws-front/effects.ts'
import type { AwsFront } from '#test/servers/aws-front/front.ts'
import { eventually } from '#test/servers/sshd.ts'
import { type AwsImagesFixture, createAwsImagesFixture, mainRegion } from './aws-fixture.ts'

const MiB = 1024 ** 2

/** The image half of an AWS cloud whose images go through a bucket. */
export interface AwsBucketFixture extends AwsImagesFixture {
  readonly bucket: string
  readonly s3: S3Client
  /** A disk that nobody has published yet: of two parts, or as large as is said. */
  newArtifact(sizeBytes?: number): Promise<Artifact>
  /** Kills a publish when so many parts have arrived. */
  killPublish(artifact: Artifact, key: ImageKey, when?: number | Promise<unknown>): Promise<void>
  /** What is in the bucket: whole objects and unfinished uploads. */
  inBucket(): Promise<string[]>
  /** What `factory doctor --policy` would print. */
  completePolicy(): string
  /** Has every import go on until it has ended. */
  endImports(): Promise<void>
}

export async function createAwsBucketFixture(
  front: AwsFront,
  changes: Partial<AwsConfiguration> = {},
): Promise<AwsBucketFixture> {
  const bucket = `images-${randomBytes(4).toString('hex')}`
  const s3 = new S3Client({ endpoint: front.endpoint, region: mainRegion, forcePathStyle: true })
  await makeBucket(front, bucket, mainRegion)
  await makeRole(front, 'vmimport')
  const fixture = await createAwsImagesFixture(front.endpoint, { method: 's3', bucket, ...changes })
  const newArtifact = (sizeBytes = 65 * MiB + 512) =>
    fixture.makeArtifact(`${randomBytes(4).toString('hex')}.raw`, sizeBytes, [
      [MiB, randomBytes(3 * MiB)],
      [sizeBytes - 512, randomBytes(512)],
    ])
  const partsIn = () =>
    front.requests.filter(({ action, status }) => action === 'UploadPart' && status === 200).length
  return {
    ...fixture,
    bucket,
    s3,
    newArtifact,
    artifact: await newArtifact(),
    async killPublish(artifact, key, when = 1) {
      if (typeof when !== 'number') return await fixture.killPublish(artifact, key, when)
      const before = partsIn()
      const stall = front.inject({ action: 'UploadPart', after: when, effect: stalled() })
      const arrived = eventually('parts in the bucket', async () => partsIn() >= before + when)
      try {
        await fixture.killPublish(artifact, key, Promise.all([stall.happened, arrived]))
      } finally {
        stall.remove()
      }
    },
    async inBucket() {
      const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket }))
      const { Uploads = [] } = await s3.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
      return [...Contents, ...Uploads].map(({ Key = '' }) => Key)
    },
    completePolicy() {
      const { owner, stateDirectory, configuration } = fixture
      const regions = [configuration.region]
      const clients = awsClients(configuration)
      return completePolicy({ name: 'test', owner, configuration, regions, clients, stateDirectory })
    },
    async endImports() {
      const ec2 = new EC2Client({ endpoint: front.endpoint, region: mainRegion })
      await eventually('imports at their end', async () => {
        const { ImportSnapshotTasks = [] } = await ec2.send(new DescribeImportSnapshotTasksCommand({}))
        return ImportSnapshotTasks.every(({ SnapshotTaskDetail }) => SnapshotTaskDetail?.Status !== 'active')
      })
    },
  }
}

export async function makeBucket(front: AwsFront, Bucket: string, region: string): Promise<void> {
  const s3 = new S3Client({ endpoint: front.endpoint, region, forcePathStyle: true })
  const place = { LocationConstraint: region as BucketLocationConstraint }
  const elsewhere = region === 'us-east-1' ? {} : { CreateBucketConfiguration: place }
  await s3.send(new CreateBucketCommand({ Bucket, ...elsewhere }))
}

/** A role that the import service may take; one that is there already is as good. */
async function makeRole(front: AwsFront, RoleName: string): Promise<void> {
  const iam = new IAMClient({ endpoint: front.endpoint, region: mainRegion })
  const Statement = [
    { Effect: 'Allow', Principal: { Service: 'vmie.amazonaws.com' }, Action: 'sts:AssumeRole' },
  ]
  const AssumeRolePolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement })
  await iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument })).catch((error: Error) => {
    if (error.name !== 'EntityAlreadyExistsException') throw error
  })
}
