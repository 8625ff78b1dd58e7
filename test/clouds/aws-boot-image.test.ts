import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { gather, testContext } from '#test/contract/shared.ts'
import { type Moto, startMoto } from '#test/servers/moto.ts'
import { baseImages } from '#test/servers/moto-tree.ts'
import {
  type AwsBuildersFixture,
  createAwsBuildersFixture,
  imageOf,
  mainRegion,
} from './aws-builders-fixture.ts'

let moto: Moto
let fixture: AwsBuildersFixture
beforeAll(async () => {
  moto = await startMoto()
  fixture = await createAwsBuildersFixture(moto.endpoint)
  const ssm = new SSMClient({ endpoint: moto.endpoint, region: mainRegion })
  const put = (Name: string, Value: string) =>
    ssm.send(new PutParameterCommand({ Name, Value, Type: 'String' }))
  await put('/factory/base', baseImages.x86_64.older)
  await put('/factory/words', 'the newest one')
  await put('/factory/gone', 'ami-0123456789abcdef0')
}, 300_000)
afterAll(async () => {
  await fixture?.[Symbol.asyncDispose]()
  await moto?.[Symbol.asyncDispose]()
})

/** The AMI that a builder starts from with this base, as it is written into the log as well. */
async function startedFrom(base: object): Promise<string | undefined> {
  const ctx = testContext()
  const lease = fixture.newLease()
  await fixture.pool({ base: { x86_64: base } }).acquire(fixture.spec, lease, ctx)
  const [machine] = await fixture.machines(lease)
  await fixture.pool().release(lease.id, ctx)
  expect(ctx.told.join('\n')).toContain(`starts from ${machine?.ImageId}`)
  return machine?.ImageId
}

test('the base is an id, what a parameter holds, or the newest of a name', async () => {
  const { owner, namePattern, x86_64 } = baseImages
  expect(await startedFrom({ ami: x86_64.older })).toBe(x86_64.older)
  expect(await startedFrom({ ssm: '/factory/base' })).toBe(x86_64.older)
  expect(await startedFrom({ owner, name: namePattern.x86_64 })).toBe(x86_64.id)
  expect(await startedFrom({ owner, name: 'debian-13-*' })).toBe(x86_64.id)
})

const { owner, namePattern, aarch64 } = baseImages
const look = `--region ${mainRegion}`
const wrong: [string, object, { code: string; message: string; hint: string }][] = [
  [
    'an id that is nowhere',
    { base: { x86_64: { ami: 'ami-0123456789abcdef0' } } },
    missing('ami-0123456789abcdef0', `Correct clouds.test.base.x86_64.ami`),
  ],
  [
    'a parameter that is not there',
    { base: { x86_64: { ssm: '/factory/none' } } },
    missing('/factory/none', `aws ssm get-parameter ${look} --name '/factory/none'`),
  ],
  [
    'a parameter without an id',
    { base: { x86_64: { ssm: '/factory/words' } } },
    missing('holds no AMI id', `aws ssm get-parameter ${look} --name '/factory/words'`),
  ],
  [
    'a parameter with a lost id',
    { base: { x86_64: { ssm: '/factory/gone' } } },
    missing('ami-0123456789abcdef0', `aws ssm get-parameter ${look} --name '/factory/gone'`),
  ],
  [
    'a name that nobody gave',
    { base: { x86_64: { owner, name: 'debian-99-*' } } },
    missing('debian-99-*', `${look} --owners ${owner} --filters 'Name=name,Values=debian-99-*'`),
  ],
  [
    'a name for another architecture',
    { base: { x86_64: { owner, name: namePattern.aarch64 } } },
    missing('those of that name are for arm64', `Values=${namePattern.aarch64}'`),
  ],
  [
    'an image of another architecture',
    { base: { x86_64: { ami: aarch64.id } } },
    {
      code: 'aws-base-architecture',
      message: 'is for arm64 and not for x86_64',
      hint: 'Name=architecture,Values=x86_64',
    },
  ],
  [
    'an instance type of another architecture',
    { instanceTypes: { x86_64: ['m6g.large'] } },
    { code: 'aws-instance-type', message: 'm6g.large is for arm64', hint: look },
  ],
  [
    'every instance type that does not fit',
    { instanceTypes: { x86_64: ['m6g.large', 'm5.large', 'q9.huge'] } },
    {
      code: 'aws-instance-type',
      message: 'm6g.large is for arm64, us-east-1 has no q9.huge',
      hint: `aws ec2 describe-instance-types ${look} --filters`,
    },
  ],
  [
    'no base',
    { base: {} },
    {
      code: 'base-not-configured',
      message: 'clouds.test.base.x86_64',
      hint: 'Add clouds.test.base.x86_64.ami',
    },
  ],
]

test.each(wrong)('%s is told before anything is rented', async (_what, change, { code, message, hint }) => {
  const ctx = testContext()
  const lease = fixture.newLease()
  const acquiring = fixture.pool(change).acquire(fixture.spec, lease, ctx)
  await expect(acquiring).rejects.toMatchObject({
    code,
    class: 'user',
    message: expect.stringContaining(message),
    hint: expect.stringContaining(hint),
  })
  expect(await gather(fixture.pool().find(fixture.owner, ctx))).toEqual([])
})

test('an image to verify that is not there is told by its name', async () => {
  const image = imageOf('ami-0123456789abcdef0', mainRegion)
  const spec = { ...fixture.spec, purpose: 'verify', image } as const
  await expect(fixture.pool().acquire(spec, fixture.newLease(), testContext())).rejects.toMatchObject({
    code: 'aws-base-missing',
    message: expect.stringContaining('the image copr-x86_64 is ami-0123456789abcdef0'),
  })
})

test('without a word on instance types the usual ones that the region has are asked for', async () => {
  const ctx = testContext()
  const lease = fixture.newLease()
  await fixture.pool({ instanceTypes: {} }).acquire(fixture.spec, lease, ctx)
  expect((await fixture.machines(lease))[0]?.InstanceType).toMatch(/\.xlarge$/)
  await fixture.pool().release(lease.id, ctx)
})

function missing(message: string, hint: string) {
  return { code: 'aws-base-missing', message, hint }
}
