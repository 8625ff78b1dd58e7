import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { Cloud } from '#clouds/types.ts'
import type { FactoryError } from '#src/errors.ts'
import { gather, imageKey, testContext } from '#test/contract/cloud.ts'
import { stalled } from '#test/servers/aws-front/effects.ts'
import { type AwsFront, startAwsFront } from '#test/servers/aws-front/front.ts'
import { type Moto, startMoto } from '#test/servers/moto.ts'
import { type AwsImagesFixture, createAwsImagesFixture } from './aws-fixture.ts'

const MiB = 1024 ** 2

let moto: Moto
let front: AwsFront
let fixture: AwsImagesFixture
let cloud: Cloud
beforeAll(async () => {
  moto = await startMoto()
  front = await startAwsFront({ upstream: moto.endpoint })
  fixture = await createAwsImagesFixture(front.endpoint, { copyTo: [] })
  process.env['AWS_SHARED_CREDENTIALS_FILE'] = join(fixture.directory, 'credentials')
})
afterAll(async () => {
  delete process.env['AWS_SHARED_CREDENTIALS_FILE']
  await fixture[Symbol.asyncDispose]()
  await front[Symbol.asyncDispose]()
  await moto[Symbol.asyncDispose]()
})

/** Another tool logs in again: new keys in the file, which say nothing of when they end. */
async function logIn(name: string): Promise<void> {
  const credential = { accessKeyId: name, secretAccessKey: `secret-${name}`, sessionToken: `token-${name}` }
  await writeFile(
    join(fixture.directory, 'credentials'),
    `[work]\naws_access_key_id = ${name}\naws_secret_access_key = secret-${name}\naws_session_token = token-${name}\n`,
  )
  front.settings.credentials.push(credential)
}

function endSession(name: string): void {
  for (const credential of front.settings.credentials)
    if (credential.accessKeyId === name) credential.expired = true
}

beforeEach(async () => {
  front.settings.credentials.splice(0)
  await logIn('first')
  front.forgetRequests()
  cloud = await fixture.open({ profile: 'work' })
})

test('a session that ends while blocks are sent is followed by the next one, and nothing is sent twice', async () => {
  const artifact = await fixture.makeArtifact('long.raw', 32 * MiB, [[0, randomBytes(24 * MiB)]])
  const held = front.inject({ action: 'PutSnapshotBlock', after: 20, times: 1, effect: stalled() })
  const key = imageKey(cloud, fixture.owner, artifact, 'long')
  const publishing = cloud.images!.publish(artifact, key, testContext())
  await held.happened
  held.remove()
  await logIn('second')
  endSession('first')
  const image = await publishing
  const registered = front.requests.find(({ action }) => action === 'RegisterImage')
  expect(registered?.accessKeyId).toBe('second')
  const puts = front.requests.filter(({ action, status }) => action === 'PutSnapshotBlock' && status === 201)
  const blocks = puts.map(({ parameters }) => parameters['BlockIndex'])
  expect(new Set(blocks).size).toBe(48)
  expect(blocks).toHaveLength(48)
  await cloud.images!.remove(image, testContext())
})

test('a session that has ended between two calls is followed by the next one', async () => {
  expect(await gather(cloud.images!.list(testContext()))).toEqual([])
  endSession('first')
  await logIn('second')
  expect(await gather(cloud.images!.list(testContext()))).toEqual([])
  const keys = front.requests.map(({ accessKeyId }) => accessKeyId)
  expect(keys.filter((key) => key === 'first').length).toBeGreaterThan(1)
  expect(keys.at(-1)).toBe('second')
})

test('where nobody has logged in again, that is said at the second refusal', async () => {
  endSession('first')
  await expect(gather(cloud.images!.list(testContext()))).rejects.toMatchObject({
    code: 'aws-credentials',
    hint: expect.stringContaining('Log in again'),
  })
  expect(front.requests.length).toBeLessThanOrEqual(2 * 2)
})

test('a profile that wants a code from a device is told as such, before anything is asked', async () => {
  await writeFile(
    join(fixture.directory, 'credentials'),
    `[person]
aws_access_key_id = first
aws_secret_access_key = secret-first
[work]
role_arn = arn:aws:iam::123456789012:role/factory
source_profile = person
mfa_serial = arn:aws:iam::123456789012:mfa/person
`,
  )
  await expect(gather(cloud.images!.list(testContext()))).rejects.toMatchObject({
    code: 'aws-credentials',
    class: 'permission',
    message: expect.stringContaining('multi-factor authentication'),
    hint: expect.stringContaining('aws sts get-session-token'),
  })
  expect(front.requests).toEqual([])
})

describe('credentials that are not there', () => {
  const refusalOf = async () =>
    await gather(cloud.images!.list(testContext())).then(
      () => undefined,
      (error: unknown) => error as FactoryError,
    )

  test('a profile that does not exist is named', async () => {
    cloud = await fixture.open({ profile: 'no such' })
    expect(await refusalOf()).toMatchObject({
      code: 'aws-credentials',
      message: expect.stringContaining('no profile no such'),
      hint: expect.stringContaining(`aws configure --profile 'no such'`),
    })
  })

  test('so is one that only the environment names', async () => {
    process.env['AWS_PROFILE'] = 'nosuch'
    onTestFinished(() => void delete process.env['AWS_PROFILE'])
    cloud = await fixture.open()
    expect((await refusalOf())?.message).toContain('no profile nosuch')
  })

  test('half of a pair in the environment, and nothing at all, are told apart', async () => {
    const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret } = process.env
    onTestFinished(
      () => void Object.assign(process.env, { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret }),
    )
    cloud = await fixture.open()
    delete process.env['AWS_SECRET_ACCESS_KEY']
    expect((await refusalOf())?.message).toMatch(/AWS_SECRET_ACCESS_KEY is not$/)
    delete process.env['AWS_ACCESS_KEY_ID']
    cloud = await fixture.open()
    expect(await refusalOf()).toMatchObject({
      message: expect.stringContaining('there are no credentials for AWS'),
      hint: expect.stringContaining('aws configure'),
    })
    expect(front.requests).toEqual([])
  })
})
