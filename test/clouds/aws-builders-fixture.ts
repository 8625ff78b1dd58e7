import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EC2Client, type Instance, paginateDescribeInstances } from '@aws-sdk/client-ec2'
import { createBuilderPool } from '#clouds/aws/builders/pool.ts'
import { awsClients } from '#clouds/aws/clients.ts'
import { awsConfiguration } from '#clouds/aws/config.ts'
import { createAwsCloud } from '#clouds/aws/index.ts'
import type { AwsSettings } from '#clouds/aws/settings.ts'
import type { BuilderPool, Image, Lease } from '#clouds/types.ts'
import { makeAccess } from '#src/builder/keys.ts'
import type { BuildersFixture } from '#test/contract/builders.ts'
import { newLease } from '#test/contract/shared.ts'
import { baseImages } from '#test/servers/moto-tree.ts'

process.env['AWS_ACCESS_KEY_ID'] ??= 'test'
process.env['AWS_SECRET_ACCESS_KEY'] ??= 'test'
process.env['AWS_EC2_METADATA_DISABLED'] ??= 'true'

export const mainRegion = 'us-east-1'
export const otherRegion = 'eu-west-1'
const gibibyte = 1024 ** 3

/** The builder half of an AWS cloud on an emulator. */
export interface AwsBuildersFixture extends BuildersFixture {
  newLease(arch?: Lease['arch']): Lease
  settings(change?: object, own?: Partial<AwsSettings>): AwsSettings
  /** A pool that remembers nothing in memory; `change` goes over the configuration as it is written. */
  pool(change?: object, own?: Partial<AwsSettings>): BuilderPool
  ec2(region?: string): EC2Client
  /** The machines with a lease's mark, in every state. */
  machines(lease: Lease, region?: string): Promise<Instance[]>
}

export async function createAwsBuildersFixture(endpoint: string): Promise<AwsBuildersFixture> {
  const directory = await mkdtemp(join(tmpdir(), 'factory-aws-'))
  const owner = `t-${randomBytes(4).toString('hex')}`
  const access = await makeAccess(join(directory, 'keys'))
  const { authorizedKey, hostPublicKey, hostPrivateKeyFile } = access
  const written = {
    kind: 'aws',
    region: mainRegion,
    copyTo: [otherRegion],
    endpoint,
    base: {
      x86_64: { ami: baseImages.x86_64.id, user: 'admin' },
      aarch64: { ami: baseImages.aarch64.id },
    },
    instanceTypes: { x86_64: ['m5.large'], aarch64: ['m6g.large'] },
    tags: { CostCenter: '42' },
  }
  const clients = new Map<string, EC2Client>()
  const settings = (change = {}, own: Partial<AwsSettings> = {}): AwsSettings => {
    const configuration = awsConfiguration.parse({ ...written, ...change })
    return {
      name: 'test',
      owner,
      configuration,
      regions: [configuration.region, ...configuration.copyTo],
      clients: awsClients(configuration),
      stateDirectory: directory,
      ...own,
    }
  }
  const ec2 = (region = mainRegion) => {
    const client = clients.get(region) ?? new EC2Client({ endpoint, region })
    clients.set(region, client)
    return client
  }
  return {
    owner,
    spec: {
      arch: 'x86_64',
      purpose: 'build',
      dataBytes: 20 * gibibyte,
      leaseMs: 600_000,
      access: { authorizedKey, hostPublicKey, hostPrivateKeyFile },
    },
    open: () => createAwsCloud('test', settings().configuration, { owner, stateDirectory: directory }),
    newLease: (arch = 'x86_64') => newLease(owner, arch),
    settings,
    pool: (change, own) => createBuilderPool(settings(change, own)),
    ec2,
    async machines(lease, region) {
      const found: Instance[] = []
      const Filters = [{ Name: 'tag:factory:lease', Values: [lease.id] }]
      for await (const page of paginateDescribeInstances({ client: ec2(region) }, { Filters })) {
        found.push(...(page.Reservations ?? []).flatMap(({ Instances = [] }) => Instances))
      }
      return found
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients.values()) client.destroy()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** A published image as the engine knows it. */
export function imageOf(id: string, region: string): Image {
  return {
    cloud: 'test',
    kind: 'aws',
    region,
    arch: 'x86_64',
    id,
    name: 'copr-x86_64',
    format: 'raw',
    sha256: 'a'.repeat(64),
    sizeBytes: 10 * gibibyte,
    release: 'test',
  }
}
