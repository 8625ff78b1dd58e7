import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Finding } from '#clouds/types.ts'
import { hasty, ibmForTests } from './ibm-tests.ts'
import { mainRegion, otherRegion } from './ibm-fixture.ts'

const ibm = ibmForTests()

async function findings(change?: object, nowMs = Date.UTC(2026, 11, 1)): Promise<Finding[]> {
  const found: Finding[] = []
  const ctx = { ...hasty(), now: () => nowMs }
  for await (const each of (await ibm.ibm.open(change)).doctor(ctx)) found.push(each)
  return found
}

const wrong = (found: readonly Finding[]) => found.filter(({ severity }) => severity !== 'ok')
const about = (found: readonly Finding[], subject: string) => found.find((each) => each.subject === subject)

test('finds nothing wrong where nothing is but that s390x ends, rents nothing and leaves nothing', async () => {
  const found = await findings()
  expect(wrong(found)).toMatchObject([
    { severity: 'warning', subject: 's390x machines', hint: expect.stringContaining('kind: libvirt') },
  ])
  expect(wrong(found)[0]!.message).toContain('20 February 2027')
  expect(found.map(({ subject }) => subject)).toEqual([
    's390x machines',
    `file ${join(ibm.ibm.directory, 'apikey')}`,
    `file ${join(ibm.ibm.directory, 'hmac.json')}`,
    'API key',
    'resource group',
    `bucket ${ibm.ibm.bucket}`,
    'authorization of VPC to read the bucket',
    ...[mainRegion, otherRegion].flatMap((region) => [
      `images in ${region}`,
      `operating system of x86_64 images in ${region}`,
      `operating system of s390x images in ${region}`,
    ]),
    `x86_64 builders in ${mainRegion}`,
    `s390x builders in ${mainRegion}`,
    `network in ${mainRegion}`,
  ])
  expect(
    ibm.ibm.double.requests.filter(({ action }) => /^(Create(?!Token)|Delete|Attach)/.test(action)),
  ).toEqual([])
  expect(await ibm.ibm.inBucket()).toEqual([])
})

test('tells of everything at once', async () => {
  const { settings } = ibm.ibm.double
  settings.authorization = 'missing'
  const [group] = ibm.ibm.double.securityGroups(mainRegion)
  ibm.ibm.double.world.securityGroups.get(group!)!.sshOpen = false
  const found = await findings({
    resourceGroup: 'nobody',
    bucket: { ...ibm.ibm.configuration().bucket, name: 'not-there' },
    operatingSystem: { x86_64: 'red-9-amd64x' },
    base: { x86_64: { image: 'ibm-nothing' } },
  })
  ibm.ibm.double.world.securityGroups.get(group!)!.sshOpen = true
  expect(wrong(found).map(({ severity, subject }) => `${severity}: ${subject}`)).toEqual([
    'error: resource group',
    'error: bucket not-there',
    'error: authorization of VPC to read the bucket',
    `error: operating system of x86_64 images in ${mainRegion}`,
    `error: operating system of x86_64 images in ${otherRegion}`,
    `error: x86_64 builders in ${mainRegion}`,
    `error: network in ${mainRegion}`,
  ])
  for (const { subject, hint } of wrong(found)) expect(hint, subject).toBeTruthy()
})

test('says that machines are over after the day on which IBM ends them', async () => {
  const found = await findings({}, Date.UTC(2027, 1, 21))
  expect(about(found, 's390x machines')).toMatchObject({ severity: 'error' })
})

describe('the API key', () => {
  test('that nobody knows is one finding, and the bucket is looked at all the same', async () => {
    ibm.ibm.double.settings.apiKeys = []
    const found = await findings()
    expect(about(found, 'API key')).toMatchObject({
      severity: 'error',
      message: expect.stringContaining('BXNIM0415E'),
      hint: expect.stringContaining('api-key-create'),
    })
    expect(about(found, `bucket ${ibm.ibm.bucket}`)).toMatchObject({ severity: 'ok' })
    expect(JSON.stringify(found)).not.toContain('an-api-key-for-tests')
  })

  test('in a file that is not there is one finding, which says how to make it', async () => {
    const found = await findings({ apiKeyFile: join(ibm.ibm.directory, 'nowhere') })
    const told = found.filter(({ message, subject }) => `${subject} ${message}`.includes('nowhere'))
    expect(told).toMatchObject([
      {
        severity: 'error',
        subject: 'API key',
        message: expect.stringContaining('which is not there'),
        hint: expect.stringContaining('service-api-key-create factory factory --file'),
      },
    ])
    expect(JSON.stringify(found)).not.toContain('defect')
  })

  test('in a file that others can read is warned of', async () => {
    const file = join(ibm.ibm.directory, 'apikey')
    await chmod(file, 0o644)
    const found = await findings()
    await chmod(file, 0o600)
    expect(about(found, `file ${file}`)).toMatchObject({ severity: 'warning', hint: `chmod 600 ${file}` })
  })

  test('without a right is told which look it lacked it for', async () => {
    ibm.ibm.double.settings.denied = ['ListImages', 'ListPolicies']
    const found = await findings()
    expect(about(found, `images in ${mainRegion}`)).toMatchObject({ severity: 'error' })
    // Not being allowed to look at authorizations does not mean that there are none.
    expect(about(found, 'authorization of VPC to read the bucket')).toMatchObject({ severity: 'warning' })
  })
})

describe('HMAC keys', () => {
  test('that are wrong are what the hint names', async () => {
    ibm.ibm.cos.settings.credentials = [{ accessKeyId: 'test', secretAccessKey: 'another' }]
    const found = await findings()
    ibm.ibm.cos.settings.credentials = [{ accessKeyId: 'test', secretAccessKey: 'test' }]
    const told = about(found, `bucket ${ibm.ibm.bucket}`)
    expect(told).toMatchObject({ severity: 'error', hint: expect.stringContaining('HMAC keys') })
  })

  test('are not needed where no images are published', async () => {
    const found = await findings({ bucket: undefined, operatingSystem: {} })
    expect(about(found, 'bucket')).toMatchObject({ severity: 'warning' })
    expect(about(found, 'authorization of VPC to read the bucket')).toBeUndefined()
    expect(about(found, 'operating system')).toBeUndefined()
  })
})

test('an authorization for another bucket is none for ours', async () => {
  ibm.ibm.double.settings.authorization = 'for another bucket'
  const told = about(await findings(), 'authorization of VPC to read the bucket')
  expect(told).toMatchObject({
    severity: 'error',
    hint: expect.stringContaining('authorization-policy-create'),
  })
})

test('the rights that are needed are commands to paste, and asked of nobody', async () => {
  const cloud = await ibm.ibm.open({ resourceGroup: 'copr' })
  ibm.ibm.double.forgetRequests()
  const lines = cloud.policy!().split('\n')
  expect(lines).toContain(
    "ibmcloud iam service-policy-create factory --service-name is --roles Editor --resource-group-name 'copr'",
  )
  // The CLI takes names of groups as a scope, and ids alone where the group itself is meant.
  expect(lines).toContain(
    `ibmcloud iam service-policy-create factory --resource-type resource-group --resource "$(ibmcloud resource group 'copr' --id)" --roles Viewer`,
  )
  const byId = (await ibm.ibm.open({ resourceGroup: 'b'.repeat(32) })).policy!()
  expect(byId).toContain(`--resource-group-id '${'b'.repeat(32)}'`)
  expect(byId).toContain(`--resource ${'b'.repeat(32)} --roles Viewer`)
  expect(lines.at(-1)).toContain('authorization-policy-create is cloud-object-storage Reader')
  expect(ibm.ibm.double.requests).toEqual([])
})
