import { createHash, randomBytes } from 'node:crypto'
import { chmod, mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  AbortMultipartUploadCommand,
  type BucketLocationConstraint,
  CreateBucketCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3'
import { execa } from 'execa'
import { type IbmConfiguration, ibmConfiguration } from '#clouds/ibm/config.ts'
import { createIbmCloud, ibmSettings } from '#clouds/ibm/index.ts'
import { imageName } from '#clouds/ibm/names.ts'
import type { IbmSettings } from '#clouds/ibm/settings.ts'
import type { BuilderSpec, Cloud, ImageKey, Lease } from '#clouds/types.ts'
import { makeAccess } from '#src/builder/keys.ts'
import type { Artifact } from '#src/artifact/types.ts'
import { newLease } from '#test/contract/shared.ts'
import { stalled } from '#test/servers/aws-front/effects.ts'
import { type AwsFront, startAwsFront } from '#test/servers/aws-front/front.ts'
import { type IbmDouble, startIbmDouble } from '#test/servers/ibm-cloud/double.ts'
import { type DoubleSettings, testKey } from '#test/servers/ibm-cloud/settings.ts'
import { newThing } from '#test/servers/ibm-cloud/world.ts'
import { startMoto } from '#test/servers/moto.ts'
import { eventually } from '#test/servers/sshd.ts'

const MiB = 1024 ** 2
export const mainRegion = 'eu-es'
export const otherRegion = 'br-sao'

/** IBM Cloud as its double, with moto behind the strict front as its object storage. */
export interface IbmForTests extends AsyncDisposable {
  readonly double: IbmDouble
  readonly cos: AwsFront
  readonly bucket: string
  readonly owner: string
  readonly directory: string
  readonly stateDirectory: string
  readonly artifact: Artifact
  configuration(change?: object): IbmConfiguration
  settings(change?: object, own?: Partial<IbmSettings>): IbmSettings
  open(change?: object): Promise<Cloud>
  readonly spec: BuilderSpec
  newLease(arch?: Lease['arch']): Lease
  /** A disk that nobody has published yet: of two parts, or as large as is said. */
  newArtifact(sizeBytes?: number): Promise<Artifact>
  /** What is in the bucket: whole objects and unfinished uploads. */
  inBucket(): Promise<string[]>
  /** Nothing of earlier tests is there any more. */
  reset(): Promise<void>
  plantForeign(key: ImageKey): Promise<void>
  /** Kills a publish, which runs in a process of its own, when so many parts have arrived or what was given has happened. */
  killPublish(artifact: Artifact, key: ImageKey, when?: number | Promise<unknown>): Promise<void>
}

export async function startIbm(change: Partial<DoubleSettings> = {}): Promise<IbmForTests> {
  await using started = new AsyncDisposableStack()
  const moto = started.use(await startMoto({ s3PageSize: 1 }))
  const cos = started.use(await startAwsFront({ upstream: moto.endpoint, settings: { pageSize: 2 } }))
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
  const s3 = new S3Client({ endpoint: cos.endpoint, region: mainRegion, credentials, forcePathStyle: true })
  const direct = { endpoint: moto.endpoint, region: mainRegion, credentials, forcePathStyle: true }
  const double = started.use(await startIbmDouble(new S3Client(direct), { pageSize: 2, ...change }))
  const bucket = `images-${randomBytes(4).toString('hex')}`
  const LocationConstraint = mainRegion as BucketLocationConstraint
  await s3.send(
    new CreateBucketCommand({ Bucket: bucket, CreateBucketConfiguration: { LocationConstraint } }),
  )
  const directory = await mkdtemp(join(tmpdir(), 'factory-ibm-'))
  started.defer(() => rm(directory, { recursive: true, force: true }))
  const stateDirectory = join(directory, 'state')
  const owner = `t-${randomBytes(4).toString('hex')}`
  const [apiKeyFile, keysFile] = [join(directory, 'apikey'), join(directory, 'hmac.json')]
  await writeSecret(apiKeyFile, testKey)
  const hmac = { access_key_id: 'test', secret_access_key: 'test' }
  await writeSecret(keysFile, JSON.stringify([{ credentials: { cos_hmac_keys: hmac } }]))
  const written = {
    kind: 'ibm',
    region: mainRegion,
    copyTo: [otherRegion],
    apiKeyFile,
    bucket: { name: bucket, region: mainRegion, keysFile },
    operatingSystem: { x86_64: 'red-9-amd64-byol', s390x: 'red-8-s390x-byol' },
    base: {
      x86_64: { image: 'ibm-redhat-9-amd64-1', user: 'vpcuser' },
      s390x: { image: 'ibm-redhat-8-s390x-1' },
    },
    profiles: { x86_64: ['bx2-4x16'] },
    subnets: { [mainRegion]: double.subnets(mainRegion), [otherRegion]: double.subnets(otherRegion) },
    securityGroups: double.securityGroups(mainRegion),
    tags: ['team:copr'],
    endpoints: { ...double.endpoints, cos: cos.endpoint },
  }
  const configuration = (more: object = {}) => ibmConfiguration.parse({ ...written, ...more })

  async function newArtifact(sizeBytes = 65 * MiB + 512): Promise<Artifact> {
    const path = join(directory, `${randomBytes(4).toString('hex')}.qcow2`)
    const virtualBytes = 20 * 1024 ** 3
    await writeDisk(path, sizeBytes, virtualBytes)
    const sha256 = createHash('sha256')
      .update(await readFile(path))
      .digest('hex')
    const contentBytes = (await stat(path)).blocks * 512
    return { arch: 'x86_64', format: 'qcow2', path, sha256, sizeBytes, virtualBytes, contentBytes }
  }

  const partsIn = () =>
    cos.requests.filter(({ action, status }) => action === 'UploadPart' && status === 200).length
  const artifact = await newArtifact()
  const { authorizedKey, hostPublicKey, hostPrivateKeyFile } = await makeAccess(join(directory, 'keys'))
  const held = started.move()
  return {
    double,
    cos,
    bucket,
    owner,
    directory,
    stateDirectory,
    artifact,
    configuration,
    settings: (more, own = {}) => ({
      ...ibmSettings('test', configuration(more), owner, stateDirectory),
      pageSize: 2,
      ...own,
    }),
    open: (more) => createIbmCloud('test', configuration(more), { owner, stateDirectory }),
    spec: {
      arch: 'x86_64',
      purpose: 'build',
      dataBytes: 20e9,
      leaseMs: 600_000,
      access: { authorizedKey, hostPublicKey, hostPrivateKeyFile },
    },
    newLease: (arch = 'x86_64') => newLease(owner, arch),
    newArtifact,
    async inBucket() {
      const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket, MaxKeys: 100 }))
      const { Uploads = [] } = await s3.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
      return [...Contents, ...Uploads].map(({ Key = '' }) => Key)
    },
    async reset() {
      double.reset()
      const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket, MaxKeys: 100 }))
      for (const { Key } of Contents) await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key }))
      const { Uploads = [] } = await s3.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
      for (const { Key, UploadId } of Uploads)
        await s3.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }))
    },
    async plantForeign(key) {
      const { world } = double
      const thing = newThing(world, 'image', key.region, imageName(key), undefined)
      const state = { polls: 0, status: 'available', reasons: [], visibility: 'private' } as const
      const image = {
        ...thing,
        ...state,
        operatingSystem: 'red-9-amd64',
        sha256: 'f'.repeat(64),
        minimumGb: 10,
      }
      world.images.set(thing.id, { ...image, reasons: [] })
    },
    async killPublish(killed, key, when = 1) {
      const before = partsIn()
      const waits = typeof when === 'number'
      const stall = waits ? cos.inject({ action: 'UploadPart', after: when, effect: stalled() }) : undefined
      const arrived = async () => {
        await stall?.happened
        await eventually('parts in the bucket', () => partsIn() >= before + Number(when), 30_000)
      }
      const run = JSON.stringify([{ configuration: configuration(), owner, stateDirectory }, killed, key])
      const program = new URL('ibm-publish-run.ts', import.meta.url).pathname
      const env = { NODE_COMPILE_CACHE: join(tmpdir(), 'factory-tests-compiled') }
      const publishing = execa(process.execPath, [program, run], { reject: false, env })
      const ended = publishing.then(({ stderr }) => {
        throw new Error(`the publish ended before it was killed: ${stderr}`)
      })
      await Promise.race([waits ? arrived() : when, ended])
      publishing.kill('SIGKILL')
      await publishing
      ended.catch(() => {})
      stall?.remove()
    },
    [Symbol.asyncDispose]: async () => {
      s3.destroy()
      await held.disposeAsync()
    },
  }
}

async function writeSecret(path: string, content: string): Promise<void> {
  await writeFile(path, content, { mode: 0o600 })
  await chmod(path, 0o600)
}

/** A file that says of itself that it is a qcow2 of so many bytes, with holes in it. */
async function writeDisk(path: string, sizeBytes: number, virtualBytes: number): Promise<void> {
  const head = Buffer.alloc(104)
  head.write('QFI\xfb', 0, 'latin1')
  head.writeUInt32BE(3, 4)
  head.writeBigUInt64BE(BigInt(virtualBytes), 24)
  await using file = await open(path, 'w')
  await file.truncate(sizeBytes)
  await file.write(head, 0, head.length, 0)
  await file.write(randomBytes(3 * MiB), 0, 3 * MiB, MiB)
  await file.write(randomBytes(512), 0, 512, sizeBytes - 512)
}
