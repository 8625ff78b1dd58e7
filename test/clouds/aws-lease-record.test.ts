import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type LeaseRecord, forgetRecord, writeRecord } from '#clouds/aws/builders/lease-record.ts'
import { awsClients } from '#clouds/aws/clients.ts'
import { awsConfiguration } from '#clouds/aws/config.ts'

const record: LeaseRecord = {
  region: 'us-east-1',
  request: {
    imageId: 'ami-0123456789abcdef0',
    rootDevice: '/dev/sda1',
    rootSize: 8,
    user: 'root',
    attempts: [],
    securityGroups: [],
    address: 'public',
    tags: {},
  },
  outcome: 'asked',
}

test('a lease that was given back leaves nothing, also when its record was cut off half way', async () => {
  const stateDirectory = await mkdtemp(join(tmpdir(), 'factory-aws-'))
  const configuration = awsConfiguration.parse({ kind: 'aws', region: 'us-east-1' })
  const clients = awsClients(configuration)
  const settings = { name: 'test', owner: 'test', configuration, regions: [], clients, stateDirectory }
  await writeRecord(settings, 'a', record)
  await writeFile(join(stateDirectory, 'leases/a.part'), '{"region":"us-e')
  await forgetRecord(settings, 'a')
  expect(await readdir(join(stateDirectory, 'leases'))).toEqual([])
  await rm(stateDirectory, { recursive: true })
})
