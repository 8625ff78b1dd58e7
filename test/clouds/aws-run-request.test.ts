import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { FrozenRequest } from '#clouds/aws/builders/lease-record.ts'
import { runRequest } from '#clouds/aws/builders/run-request.ts'
import { marksOf } from '#clouds/aws/tags.ts'
import type { BuilderSpec, Lease } from '#clouds/types.ts'
import { makeAccess } from '#src/builder/keys.ts'

const frozen: FrozenRequest = {
  imageId: 'ami-0a1b2c3d4e5f60001',
  rootDevice: '/dev/xvda',
  rootSize: 35,
  user: 'fedora',
  attempts: [],
  securityGroups: ['sg-0000000a'],
  address: 'public',
  tags: { CostCenter: '42' },
}
const lease: Lease = {
  id: 'x86-64-0123456789',
  owner: 'me',
  release: '2026-11-25.1',
  arch: 'x86_64',
  expires: '2026-11-25T20:00:00.000Z',
}
const way = { instanceType: 'm5.large', subnet: 'subnet-0000000a', spot: false }

async function withSpec<T>(use: (spec: BuilderSpec) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'factory-run-request-'))
  try {
    const access = await makeAccess(join(directory, 'keys'))
    return await use({ arch: 'x86_64', purpose: 'build', dataBytes: 0, leaseMs: 600_000, access })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

test('a machine has no rights, no key pair, metadata that containers do not reach, and ends when it is powered off', async () => {
  await withSpec(async (spec) => {
    const request = await runRequest(frozen, way, 'token-1', spec, lease)
    expect(request).toMatchObject({
      ClientToken: 'token-1',
      MinCount: 1,
      MaxCount: 1,
      InstanceInitiatedShutdownBehavior: 'terminate',
      MetadataOptions: { HttpTokens: 'required', HttpPutResponseHopLimit: 1 },
      BlockDeviceMappings: [
        { DeviceName: '/dev/xvda', Ebs: { VolumeType: 'gp3', VolumeSize: 35, DeleteOnTermination: true } },
      ],
      NetworkInterfaces: [
        {
          SubnetId: 'subnet-0000000a',
          Groups: ['sg-0000000a'],
          AssociatePublicIpAddress: true,
          DeleteOnTermination: true,
        },
      ],
    })
    for (const absent of ['IamInstanceProfile', 'KeyName', 'InstanceMarketOptions'])
      expect(request).not.toHaveProperty(absent)
  })
})

test('everything that comes with a machine bears its marks from the beginning, a spot request as well', async () => {
  await withSpec(async (spec) => {
    const marked = async (spot: boolean) => {
      const { TagSpecifications = [] } = await runRequest(frozen, { ...way, spot }, 'token-1', spec, lease)
      for (const { Tags } of TagSpecifications) {
        const { id, owner, release, arch, expires } = lease
        expect(marksOf(Tags)).toEqual({ lease: id, owner, release, arch, expires })
        expect(Tags).toContainEqual({ Key: 'CostCenter', Value: '42' })
      }
      return TagSpecifications.map(({ ResourceType }) => ResourceType)
    }
    expect(await marked(false)).toEqual(['instance', 'volume', 'network-interface'])
    expect(await marked(true)).toEqual(['instance', 'volume', 'network-interface', 'spot-instances-request'])
    const { InstanceMarketOptions } = await runRequest(frozen, { ...way, spot: true }, 'token-1', spec, lease)
    expect(InstanceMarketOptions).toEqual({
      MarketType: 'spot',
      SpotOptions: { SpotInstanceType: 'one-time', InstanceInterruptionBehavior: 'terminate' },
    })
  })
})

test('the same lease asks for the same thing to the byte, and another attempt differs by its token and its place only', async () => {
  await withSpec(async (spec) => {
    const first = await runRequest(frozen, way, 'token-1', spec, lease)
    expect(JSON.stringify(await runRequest(frozen, way, 'token-1', spec, lease))).toBe(JSON.stringify(first))
    const other = await runRequest(frozen, { ...way, instanceType: 'm6i.large' }, 'token-2', spec, lease)
    expect({ ...other, ClientToken: 'token-1', InstanceType: 'm5.large' }).toEqual(first)
  })
})

test('with private addresses the subnet decides on a public one', async () => {
  await withSpec(async (spec) => {
    const request = await runRequest({ ...frozen, address: 'private' }, way, 'token-1', spec, lease)
    expect(request.NetworkInterfaces?.[0]).not.toHaveProperty('AssociatePublicIpAddress')
  })
})
