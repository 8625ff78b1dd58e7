import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CompleteSnapshotCommand, EBSClient, StartSnapshotCommand } from '@aws-sdk/client-ebs'
import { DescribeSnapshotsCommand, EC2Client, RegisterImageCommand } from '@aws-sdk/client-ec2'
import { execa } from 'execa'
import { type AwsConfiguration, awsConfiguration } from '#clouds/aws/config.ts'
import { amiName } from '#clouds/aws/images/image-marks.ts'
import { createAwsCloud } from '#clouds/aws/index.ts'
import type { Cloud, ImageKey } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import { sparse } from '#test/builder/bring.ts'
import { eventually } from '#test/servers/sshd.ts'

const MiB = 1024 ** 2
const KiB = 1024

process.env['AWS_ACCESS_KEY_ID'] ??= 'test'
process.env['AWS_SECRET_ACCESS_KEY'] ??= 'test'
process.env['AWS_EC2_METADATA_DISABLED'] ??= 'true'

export const mainRegion = 'us-east-1'
export const otherRegion = 'eu-west-1'

/** The image half of an AWS cloud on an emulator. */
export interface AwsImagesFixture extends AsyncDisposable {
  readonly owner: string
  readonly directory: string
  readonly stateDirectory: string
  readonly configuration: AwsConfiguration
  readonly artifact: Artifact
  open(change?: Partial<AwsConfiguration>): Promise<Cloud>
  makeArtifact(name: string, sizeBytes: number, runs: [number, Buffer][]): Promise<Artifact>
  plantForeign(key: ImageKey): Promise<void>
  /** Kills a publish, which runs in a process of its own, when some blocks have arrived or what was given has happened. */
  killPublish(artifact: Artifact, key: ImageKey, when?: number | Promise<unknown>): Promise<void>
}

export async function createAwsImagesFixture(
  endpoint: string,
  changes: Partial<AwsConfiguration> = {},
): Promise<AwsImagesFixture> {
  const directory = await mkdtemp(join(tmpdir(), 'factory-aws-'))
  const stateDirectory = join(directory, 'state')
  const owner = `t-${randomBytes(4).toString('hex')}`
  const configuration = awsConfiguration.parse({
    kind: 'aws',
    region: mainRegion,
    copyTo: [otherRegion],
    endpoint,
    ...changes,
  })

  async function makeArtifact(name: string, sizeBytes: number, runs: [number, Buffer][]): Promise<Artifact> {
    const path = await sparse(join(directory, name), sizeBytes, runs)
    const sha256 = createHash('sha256')
      .update(await readFile(path))
      .digest('hex')
    const contentBytes = (await stat(path)).blocks * 512
    return { arch: 'x86_64', format: 'raw', path, sha256, sizeBytes, virtualBytes: sizeBytes, contentBytes }
  }

  const sentBlocks = async (): Promise<number> => {
    const place = join(stateDirectory, 'clouds', 'test')
    const files = (await readdir(place).catch(() => [])).filter((file) => file.endsWith('.sent'))
    const sizes = await Promise.all(files.map(async (file) => (await stat(join(place, file))).size))
    return sizes.reduce((sum, size) => sum + size / 8, 0)
  }

  return {
    owner,
    directory,
    stateDirectory,
    configuration,
    artifact: await makeArtifact('disk.raw', 300 * MiB + 512, [
      [0, randomBytes(40 * MiB)],
      [100 * MiB + 4 * KiB, randomBytes(3 * MiB)],
      [300 * MiB, randomBytes(512)],
    ]),
    makeArtifact,
    open: (change = {}) => createAwsCloud('test', { ...configuration, ...change }, { owner, stateDirectory }),
    async plantForeign(key) {
      const ec2 = new EC2Client({ endpoint, region: key.region })
      const SnapshotId = await emptySnapshot(endpoint, key.region)
      const root = { DeviceName: '/dev/sda1', Ebs: { SnapshotId } }
      const command = new RegisterImageCommand({
        Name: amiName(key),
        Architecture: 'x86_64',
        RootDeviceName: root.DeviceName,
        BlockDeviceMappings: [root],
      })
      await ec2.send(command)
    },
    async killPublish(artifact, key, when = 3) {
      const before = await sentBlocks()
      const settings = JSON.stringify([{ configuration, owner, stateDirectory }, artifact, key])
      const program = new URL('aws-publish-run.ts', import.meta.url).pathname
      const env = { NODE_COMPILE_CACHE: join(tmpdir(), 'factory-tests-compiled') }
      const publishing = execa(process.execPath, [program, settings], { reject: false, env })
      const underWay =
        typeof when === 'number'
          ? eventually('blocks on their way', async () => (await sentBlocks()) >= before + when)
          : when
      const ended = publishing.then(({ stderr }) => Promise.reject(new Error(`it ended before: ${stderr}`)))
      await Promise.race([underWay, ended])
      ended.catch(() => {})
      publishing.kill('SIGKILL')
      const { signal, stderr } = await publishing
      if (signal !== 'SIGKILL') throw new Error(`the kill came too late: ${stderr}`)
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}

/** Somebody else's snapshot, completed. */
async function emptySnapshot(endpoint: string, region: string): Promise<string> {
  const ebs = new EBSClient({ endpoint, region })
  const { SnapshotId = '' } = await ebs.send(new StartSnapshotCommand({ VolumeSize: 1 }))
  await ebs.send(new CompleteSnapshotCommand({ SnapshotId, ChangedBlocksCount: 0 }))
  const ec2 = new EC2Client({ endpoint, region })
  await eventually(`${SnapshotId} completed`, async () => {
    const { Snapshots } = await ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [SnapshotId] }))
    return Snapshots?.[0]?.State === 'completed'
  })
  return SnapshotId
}
