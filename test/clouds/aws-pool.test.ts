import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { builderAddress, jumpCommand } from '#clouds/machine-address.ts'
import { attemptOf, attemptsFor, clientToken } from '#clouds/aws/builders/attempts.ts'
import { awsClients } from '#clouds/aws/clients.ts'
import { awsConfiguration } from '#clouds/aws/config.ts'
import { offers } from '#clouds/aws/builders/offers.ts'
import type { AwsSettings } from '#clouds/aws/settings.ts'
import { testAddress } from '#clouds/aws/builders/test-addresses.ts'

const subnets = ['subnet-0000000a', 'subnet-0000000b']

function settings(change: object = {}): AwsSettings {
  const base = { x86_64: { ami: 'ami-0a1b2c3d4e5f60001' } }
  const written = { kind: 'aws', region: 'us-east-1', copyTo: ['eu-west-1'], base, ...change }
  const configuration = awsConfiguration.parse(written)
  const { region, copyTo } = configuration
  const clients = awsClients(configuration)
  return {
    name: 'aws',
    owner: 'me',
    configuration,
    regions: [region, ...copyTo],
    clients,
    stateDirectory: '/',
  }
}

test('machines are asked for as spot first, then by type, then by subnet', () => {
  const { configuration } = settings({ subnets, spot: 'first' })
  const ways = attemptsFor(configuration, 'us-east-1', ['m6i.large', 'm5.large'])
  expect(
    ways.map(({ spot, instanceType, subnet }) => `${spot ? 'spot' : 'full'} ${instanceType} ${subnet}`),
  ).toEqual([
    'spot m6i.large subnet-0000000a',
    'spot m6i.large subnet-0000000b',
    'spot m5.large subnet-0000000a',
    'spot m5.large subnet-0000000b',
    'full m6i.large subnet-0000000a',
    'full m6i.large subnet-0000000b',
    'full m5.large subnet-0000000a',
    'full m5.large subnet-0000000b',
  ])
  // The list is of the main region only.
  expect(attemptsFor(configuration, 'eu-west-1', ['m5.large'])).toMatchObject([{ subnet: undefined }, {}])
})

test('however many spot machines may be asked for, on-demand ones are asked for after them', () => {
  const { configuration } = settings({ spot: 'first' })
  const types = Array.from({ length: 70 }, (_, number) => `m${number}.large`)
  const ways = attemptsFor(configuration, 'us-east-1', types)
  expect(ways).toHaveLength(60)
  expect(ways.filter(({ spot }) => !spot)[0]).toMatchObject({ instanceType: 'm0.large' })
  expect(attemptsFor(settings({}).configuration, 'us-east-1', types)).toHaveLength(60)
})

test('every attempt of a lease has a token of its own, which is short enough and leads back to it', () => {
  const longest = `t-${'a'.repeat(38)}`
  const tokens = [0, 1, 59].flatMap((attempt) =>
    [0, 1, 12].map((ended) => clientToken(longest, attempt, ended)),
  )
  expect(new Set(tokens).size).toBe(9)
  for (const token of tokens) expect(token.length).toBeLessThanOrEqual(64)
  expect(attemptOf(clientToken('t-a', 59, 12), 't-a')).toBe(59)
  expect(attemptOf(clientToken('t-a-1', 2), 't-a')).toBeUndefined()
  expect(attemptOf(clientToken('t-a', 1, 2), 't-a-1')).toBeUndefined()
  expect(attemptOf(clientToken('t-ab', 2), 't-a')).toBeUndefined()
  expect(attemptOf(undefined, 't-a')).toBeUndefined()
})

test('what EC2 has no machines of is refused, and so is an architecture without a base', () => {
  for (const arch of ['ppc64le', 's390x'] as const) {
    expect(offers(settings(), arch)).toMatchObject({ ok: false, reason: `EC2 has no ${arch} machines` })
    expect(offers(settings(), arch, 'us-east-1')).toMatchObject({ ok: false })
  }
  expect(offers(settings(), 'x86_64')).toEqual({ ok: true })
  expect(offers(settings(), 'aarch64')).toMatchObject({
    ok: false,
    reason: 'clouds.aws.base.aarch64 is not in the configuration',
  })
})

test('an image can be booted where machines can be reached: in the default VPC, or where subnets are named', () => {
  expect(offers(settings(), 'aarch64', 'eu-west-1'), 'an image needs no base').toEqual({ ok: true })
  const list = settings({ subnets })
  expect(offers(list, 'x86_64', 'us-east-1')).toEqual({ ok: true })
  expect(offers(list, 'x86_64', 'eu-west-1')).toMatchObject({
    ok: false,
    reason: expect.stringContaining('clouds.aws.subnets says nothing of eu-west-1'),
  })
  const groups = settings({ securityGroups: { 'us-east-1': ['sg-0000000a'] } })
  expect(offers(groups, 'x86_64', 'eu-west-1')).toMatchObject({
    ok: false,
    reason: expect.stringContaining('securityGroups says nothing of eu-west-1'),
  })
  const both = settings({ subnets: { 'us-east-1': subnets, 'eu-west-1': subnets } })
  expect(offers(both, 'x86_64', 'eu-west-1')).toEqual({ ok: true })
})

test('behind a jump host a machine is reached through it, without an agent and with a known key', () => {
  expect(builderAddress({}, '203.0.113.7')).toEqual({ host: '203.0.113.7', port: 22 })
  const { host, port, proxyCommand } = builderAddress(
    { jump: 'ec2-user@bastion.example.org:2200' },
    '10.0.0.7',
  )
  expect({ host, port }).toEqual({ host: '10.0.0.7', port: 22 })
  expect(proxyCommand?.slice(-6)).toEqual([
    '-p',
    '2200',
    '-W',
    '10.0.0.7:22',
    '--',
    'ec2-user@bastion.example.org',
  ])
  expect(proxyCommand).toContain('StrictHostKeyChecking=yes')
  expect(proxyCommand).toContain('ForwardAgent=no')
  expect(proxyCommand).toContain('BatchMode=yes')
  expect(jumpCommand('bastion', '10.0.0.7:22').slice(-4)).toEqual(['-W', '10.0.0.7:22', '--', 'bastion'])
})

test('the address of a test counts only where the services themselves are on loopback, and then no other one does', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'aws-addresses-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const file = join(directory, 'addresses.json')
  await writeFile(file, JSON.stringify({ 'i-1': '127.0.0.1:2222', 'i-2': '10.0.0.1:22' }))
  const endpoint = 'http://127.0.0.1:5000'
  expect(await testAddress({ endpoint }, 'i-1', file)).toEqual({ host: '127.0.0.1', port: 2222 })
  for (const other of ['i-2', 'i-3'])
    await expect(testAddress({ endpoint }, other, file)).rejects.toThrow(`no loopback address for ${other}`)
  expect(await testAddress({}, 'i-1', file)).toBeUndefined()
  expect(await testAddress({ endpoint: 'https://ec2.example.org' }, 'i-1', file)).toBeUndefined()
  expect(await testAddress({ endpoint }, 'i-1')).toBeUndefined()
  await writeFile(file, 'i-1=127.0.0.1:2222')
  await expect(testAddress({ endpoint }, 'i-1', file)).rejects.toThrow('holds no JSON')
})
