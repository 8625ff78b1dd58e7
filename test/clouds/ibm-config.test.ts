import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { ibmConfiguration } from '#clouds/ibm/config.ts'
import { readApiKey, readHmacKeys } from '#clouds/ibm/credentials.ts'
import { objectKey, readObjectKey } from '#clouds/ibm/images/object-keys.ts'
import { createIbmCloud } from '#clouds/ibm/index.ts'
import { escaped, marksOf, tagsOf, unescaped } from '#clouds/ibm/marks.ts'
import { leaseOfName, rentedName } from '#clouds/ibm/names.ts'
import { besideRates, imageRate, machineRates } from '#clouds/ibm/rates.ts'
import type { ImageKey } from '#clouds/types.ts'

const least = { kind: 'ibm', region: 'eu-es' }

function problems(more: object): string[] {
  const read = ibmConfiguration.safeParse({ ...least, ...more })
  return read.success
    ? []
    : read.error.issues.map((issue) => {
        const { message } = issue.code === 'invalid_key' ? issue.issues[0]! : issue
        return `${issue.path.join('.')}: ${message}`
      })
}

describe('the configuration', () => {
  const mistakes: [string, object, string][] = [
    ['a region of somebody else', { region: 'us-east-1' }, 'region: is no IBM Cloud region, like eu-es'],
    [
      'a machine that there is not',
      { base: { ppc64le: { image: 'x' } } },
      'base: IBM Cloud VPC has no ppc64le machines',
    ],
    ['a folder of a bucket', { bucket: { name: 'a/b', region: 'eu-es' } }, 'bucket.name: is no bucket name'],
    [
      'subnets of an unknown region',
      { subnets: { 'eu-de': [] } },
      'subnets.eu-de: is neither `region` nor in `copyTo`',
    ],
    [
      'an end before a warning',
      { deprecateAfter: '90d', obsoleteAfter: '30d' },
      'obsoleteAfter: is not after `deprecateAfter`',
    ],
    ['a tag of ours', { tags: ['factory-owner:me'] }, 'tags.0: is no user tag'],
    [
      'a key in clear',
      { endpoints: { iam: 'http://iam.example.com' } },
      'endpoints.iam: is no address that begins with https://',
    ],
    ['a relative file', { apiKeyFile: 'key' }, 'apiKeyFile: is no path that begins with / or ~/'],
  ]
  test.each(mistakes)('refuses %s', (_what, more, message) => {
    expect(problems(more).join('\n')).toContain(message)
  })

  test('takes plain HTTP on this machine only', () => {
    expect(problems({ endpoints: { vpc: 'http://127.0.0.1:8080/vpc/{region}' } })).toEqual([])
    expect(problems({ endpoints: { vpc: 'http://localhost.example.com/' } })).toHaveLength(1)
    expect(problems({ endpoints: { cos: 'https://s3.direct.{region}.example.com' } })).toEqual([])
  })

  test('never has a secret in it', () => {
    expect(problems({ apiKey: 'secret' }).join()).toContain('apiKey')
  })
})

describe('credentials', () => {
  let directory: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'factory-ibm-'))
  })
  afterAll(() => rm(directory, { recursive: true }))

  async function file(content: string): Promise<string> {
    const path = join(directory, 'secret')
    await writeFile(path, content)
    return path
  }

  test('are read as the tools of IBM write them', async () => {
    const apiKeyFile = await file('  plain-key\n')
    expect(await readApiKey({ apiKeyFile }, 'z')).toBe('plain-key')
    await file(JSON.stringify({ name: 'factory', apikey: 'in-json' }))
    expect(await readApiKey({ apiKeyFile }, 'z')).toBe('in-json')
    const hmac = { access_key_id: 'a', secret_access_key: 's' }
    const forms = [hmac, { cos_hmac_keys: hmac }, [{ credentials: { apikey: 'x', cos_hmac_keys: hmac } }]]
    for (const form of forms) {
      const bucket = { name: 'images', region: 'eu-es', keysFile: await file(JSON.stringify(form)) }
      expect(await readHmacKeys({ bucket }, 'z')).toEqual({ accessKeyId: 'a', secretAccessKey: 's' })
    }
  })

  test('that are missing are told with the way to make them, and never with what was in the file', async () => {
    const credentials = { code: 'ibm-credentials', class: 'permission' }
    await expect(readApiKey({ apiKeyFile: '/nonexistent' }, 'z')).rejects.toMatchObject(credentials)
    const keysFile = await file(JSON.stringify({ apikey: 'top-secret' }))
    const failure = await readHmacKeys({ bucket: { name: 'i', region: 'eu-es', keysFile } }, 'z').catch(
      (error: unknown) => error,
    )
    expect(failure).toMatchObject({ ...credentials, hint: expect.stringContaining('{"HMAC":true}') })
    expect(String(failure)).not.toContain('top-secret')
  })

  test('come from the environment where no file is named', async () => {
    vi.stubEnv('IBMCLOUD_API_KEY', 'from-env')
    vi.stubEnv('IBMCLOUD_COS_ACCESS_KEY_ID', 'a')
    vi.stubEnv('IBMCLOUD_COS_SECRET_ACCESS_KEY', '')
    expect(await readApiKey({}, 'z')).toBe('from-env')
    await expect(readHmacKeys({}, 'z')).rejects.toMatchObject({ code: 'ibm-credentials' })
    vi.stubEnv('IBMCLOUD_COS_SECRET_ACCESS_KEY', 's')
    expect(await readHmacKeys({}, 'z')).toEqual({ accessKeyId: 'a', secretAccessKey: 's' })
    vi.stubEnv('IBMCLOUD_API_KEY', undefined)
    await expect(readApiKey({}, 'z')).rejects.toMatchObject({ code: 'ibm-credentials' })
    vi.unstubAllEnvs()
  })
})

describe('marks', () => {
  const marks = {
    owner: 'Copr Team_42:ä',
    expires: '2026-11-26T02:15:30.000Z',
    identity: 'x'.repeat(300),
    empty: '',
  }

  test('survive as tags, which know no capital letters and 128 characters', () => {
    const tags = tagsOf(marks, ['team:copr'])
    for (const tag of tags) expect(tag).toMatch(/^[a-z0-9 _.-]{1,128}:[a-z0-9 _.-]+$/)
    for (const tag of tags) expect(tag.length).toBeLessThanOrEqual(128)
    expect(marksOf(tags.toReversed())).toEqual(marks)
  })

  test('are what was written, whatever that was', () => {
    for (const text of ['', '_', '__', 'a_5f', 'Ä€😀', '2026-01-01T00:00:00Z']) {
      expect(unescaped(escaped(text))).toBe(text)
      expect(escaped(text)).not.toContain('__')
    }
  })

  test('stand in the name of an object without a folder', () => {
    const key = {
      owner: 'A/b__c',
      release: '20261126.0/x',
      arch: 's390x',
      sha256: 'a'.repeat(64),
    } as ImageKey
    const name = objectKey(key)
    expect(name).toMatch(/^[a-z0-9_.-]+\.qcow2$/)
    expect(readObjectKey(name)).toEqual({
      owner: key.owner,
      release: key.release,
      arch: 's390x',
      sha256: key.sha256,
    })
    expect(readObjectKey('somebody-elses.qcow2')).toBeUndefined()
  })
})

test('things of a lease are known by their names, and by nobody else', () => {
  const kinds = ['machine', 'boot', 'data', 'address'] as const
  for (const kind of kinds) {
    const name = rentedName(kind, 'boot-1', 'me')
    expect(leaseOfName(name, 'me')).toBe('boot-1')
    expect(leaseOfName(name, 'you')).toBeUndefined()
  }
  expect(leaseOfName('factory-boot-1', 'me')).toBeUndefined()
})

describe('prices', () => {
  const configuration = ibmConfiguration.parse({
    ...least,
    profiles: { s390x: ['bz2-4x16', 'mz2-2x16'] },
    prices: {
      currency: 'EUR',
      machineHour: { 'bz2-4x16': 0.4 },
      volumeGbMonth: 0.1,
      addressHour: 0.01,
      imageGbMonth: 0.2,
    },
  })

  test('are named for what may be rented, and what has none is named without', () => {
    expect(machineRates(configuration, 's390x')).toEqual([
      { what: 'bz2-4x16', price: { amount: 0.4, currency: 'EUR' } },
      { what: 'mz2-2x16' },
    ])
    expect(besideRates(configuration, 73)).toEqual([
      { what: 'volumes of 73 GB', price: { amount: expect.closeTo(0.01), currency: 'EUR' } },
      { what: 'a floating IP', price: { amount: 0.01, currency: 'EUR' } },
    ])
    expect(besideRates(configuration, undefined)[0]).toEqual({ what: 'volumes of unknown size' })
    expect(imageRate(configuration, 1.2e9)).toEqual({
      what: 'an image of 2 GB',
      price: { amount: 0.4, currency: 'EUR' },
    })
  })
})

test('opening the cloud asks nobody for anything and reads no secret', async () => {
  const configuration = ibmConfiguration.parse({ ...least, apiKeyFile: '/nonexistent' })
  const stateDirectory = await mkdtemp(join(tmpdir(), 'factory-ibm-'))
  const cloud = await createIbmCloud('z', configuration, { owner: 'me', stateDirectory })
  expect(cloud.images!.regions).toEqual(['eu-es'])
  expect(cloud.policy!()).toContain('service-id-create')
  await rm(stateDirectory, { recursive: true })
})
