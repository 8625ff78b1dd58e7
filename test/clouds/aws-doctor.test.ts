import { DescribeSnapshotsCommand } from '@aws-sdk/client-ec2'
import { describe, expect, test } from 'vitest'
import { permissionsFor } from '#clouds/aws/doctor/permissions.ts'
import { completePolicy } from '#clouds/aws/doctor/policy.ts'
import { refusedWith } from '#test/servers/aws-front/effects.ts'
import { type PolicyDocument, allowAll } from '#test/servers/aws-front/policy.ts'
import { awsForTests } from '#test/servers/aws-test.ts'
import { createAwsBuildersFixture } from './aws-builders-fixture.ts'
import {
  everything,
  findings,
  letSshInEverywhere,
  missing,
  pasted,
  withoutActions,
} from './aws-doctor-findings.ts'

const aws = awsForTests()

const seven = [
  'ebs:PutSnapshotBlock',
  'ec2:CopyImage',
  'ec2:DeregisterImage',
  'ec2:DescribeVolumes',
  'ec2:ModifyImageAttribute',
  'ec2:RunInstances',
  'ec2:TerminateInstances',
]

describe('rights', () => {
  test('all seven that a policy lacks are named in one run, with a policy of exactly those', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const settings = fixture.settings(everything)
    front.settings.policy = withoutActions(settings, seven)
    const found = await findings(settings)
    expect(missing(found)).toEqual(seven)
    expect(pasted(found)).toEqual(seven)
    expect(
      found.filter(({ subject }) => seven.includes(subject)).every(({ severity }) => severity === 'error'),
    ).toBe(true)
  })

  test.each(['everything is allowed', 'exactly the complete policy is given'])(
    'none is missing when %s',
    async (given) => {
      await using front = await aws.front()
      await using fixture = await createAwsBuildersFixture(front.endpoint)
      const settings = fixture.settings(everything)
      const complete = JSON.parse(completePolicy(settings)) as PolicyDocument
      await letSshInEverywhere(fixture)
      front.settings.policy = given.startsWith('everything') ? allowAll : complete
      const found = await findings(settings)
      expect(missing(found)).toEqual([])
      const count = permissionsFor(settings.configuration).length
      expect(found).toContainEqual({
        severity: 'ok',
        subject: 'rights',
        message: expect.stringMatching(
          new RegExp(
            `^${count} of ${count} rights are there: \\d+ tried, \\d+ asked for as dry runs(, \\d+ as IAM says)?$`,
          ),
        ),
      })
      expect(found.filter(({ severity }) => severity !== 'ok')).toEqual([])
    },
  )

  test('whichever are taken out of the complete policy, those are named and nothing else', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const settings = fixture.settings(everything)
    const complete = JSON.parse(completePolicy(settings)) as { Statement: { Action: string[] }[] }
    const actions = permissionsFor(settings.configuration).map(({ action }) => action)
    const tried = actions.filter((action) => !action.startsWith('iam:'))
    for (const rest of [0, 1, 2, 3, 4]) {
      const lacking = tried.filter((_, index) => index % 5 === rest)
      const Statement = complete.Statement.map((statement) => ({
        ...statement,
        Action: statement.Action.filter((action) => !lacking.includes(action)),
      }))
      front.settings.policy = { Statement } as unknown as PolicyDocument
      expect(missing(await findings(settings))).toEqual(lacking.toSorted())
    }
  })

  test('what was really tried wins over what IAM says of itself', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const settings = fixture.settings(everything)
    front.settings.simulated = withoutActions(settings, ['ec2:RunInstances', 'ebs:StartSnapshot'])
    expect(missing(await findings(settings))).toEqual([])

    front.settings.simulated = allowAll
    front.settings.policy = withoutActions(settings, seven)
    expect(missing(await findings(settings))).toEqual(seven)
  })

  test('without the right to simulate, what can be tried is known, and what can be doubted is named as such', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const settings = fixture.settings(everything)
    const lacking = [...seven, 'iam:SimulatePrincipalPolicy'].toSorted()
    front.settings.policy = withoutActions(settings, lacking)
    const found = await findings(settings)
    const doubtful = ['ec2:DeregisterImage', 'ec2:ModifyImageAttribute', 'ec2:TerminateInstances']
    expect(missing(found)).toEqual(lacking.filter((action) => !doubtful.includes(action)))
    const perhaps = found.filter(({ message }) => message.startsWith('perhaps missing, '))
    expect(perhaps.map(({ subject }) => subject).toSorted()).toEqual(doubtful)
    expect(pasted(found)).toEqual(lacking)
    expect(found.find(({ message }) => message.startsWith('cannot be tried'))).toMatchObject({
      severity: 'warning',
      hint: expect.stringContaining('iam:SimulatePrincipalPolicy'),
    })
  })

  test('rights that nobody can say anything of are counted, and then not all is well', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const settings = fixture.settings(everything)
    const refused = { code: 'ServiceUnavailable', message: 'it is closed', status: 400 }
    front.inject({ action: 'SimulatePrincipalPolicy', effect: refusedWith(refused) })
    const rights = (await findings(settings)).filter(({ subject }) => subject === 'rights')
    const [named, counts] = rights
    const unknown = named!.message.replace('cannot be tried: ', '').split(', ').length
    const all = permissionsFor(settings.configuration).length
    expect(rights).toHaveLength(2)
    expect(counts).toMatchObject({
      severity: 'warning',
      message: expect.stringMatching(
        new RegExp(`^${all - unknown} of ${all} rights .*; ${unknown} could not be tried, see above$`),
      ),
    })
  })

  test('a right that is missing in one region only is named with that region', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const settings = fixture.settings(everything)
    const elsewhere = 'arn:aws:ec2:eu-west-1:*'
    front.settings.policy = {
      Statement: [
        { Effect: 'Allow', Action: '*', Resource: '*' },
        { Effect: 'Deny', Action: 'ec2:CopyImage', Resource: elsewhere },
      ],
    }
    const found = await findings(settings)
    expect(missing(found)).toEqual(['ec2:CopyImage'])
    expect(found.find(({ subject }) => subject === 'ec2:CopyImage')?.message).toContain('in eu-west-1')
  })

  test('nothing is rented, and the canary is gone afterwards, or gives itself up where it may not be deleted', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const settings = fixture.settings(everything)
    const snapshots = async () => {
      const { Snapshots = [] } = await fixture
        .ec2()
        .send(new DescribeSnapshotsCommand({ OwnerIds: ['self'] }))
      return Snapshots.filter(({ Tags = [] }) => Tags.some(({ Value }) => Value === fixture.owner))
    }
    await findings(settings)
    expect(await snapshots()).toEqual([])
    front.settings.policy = withoutActions(settings, ['ec2:DeleteSnapshot'])
    const found = await findings(settings)
    expect(missing(found)).toEqual(['ec2:DeleteSnapshot'])
    expect(await snapshots()).toMatchObject([{ State: 'pending' }])
    expect(found).toContainEqual(
      expect.objectContaining({
        subject: 'canary',
        message: expect.stringContaining('gives up after 10 minutes'),
      }),
    )
    const real = front.requests.filter(
      ({ action, parameters }) => action === 'RunInstances' && parameters['DryRun'] !== 'true',
    )
    expect(real).toEqual([])
  })
})

test('a canary that could not be removed is told, with why', async () => {
  await using front = await aws.front()
  await using fixture = await createAwsBuildersFixture(front.endpoint)
  front.inject({
    action: 'DeleteSnapshot',
    when: ({ parameters }) => parameters['DryRun'] !== 'true',
    effect: refusedWith({ code: 'OperationNotPermitted', message: 'it is locked', status: 400 }),
  })
  const found = await findings(fixture.settings(everything))
  expect(found.find(({ subject }) => subject === 'canary')).toMatchObject({
    severity: 'warning',
    message: expect.stringMatching(/could not remove the snapshot snap-.*it is locked/),
  })
})

test("the policy has only what the configuration uses, and ends only what bears the owner's mark", async () => {
  await using fixture = await createAwsBuildersFixture('http://127.0.0.1:1')
  const plain = completePolicy(fixture.settings({ copyTo: [] }))
  for (const action of ['CopyImage', 'ImageAttribute', 'CancelSpot', 'ssm:'])
    expect(plain).not.toContain(action)
  const policy = JSON.parse(completePolicy(fixture.settings(everything))) as {
    Statement: { Action: string[]; Condition?: object }[]
  }
  const ends = policy.Statement.filter(({ Action }) =>
    Action.some((action) => /Terminate|Delete|Deregister|Deprecation/.test(action)),
  )
  expect(ends).toHaveLength(1)
  expect(ends[0]?.Condition).toEqual({ StringEquals: { 'aws:ResourceTag/factory:owner': fixture.owner } })
})
