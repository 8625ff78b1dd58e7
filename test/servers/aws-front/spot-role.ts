import type { Operation } from './call.ts'
import { queryAnswer } from './identity.ts'
import { decide } from './policy.ts'
import { Refusal } from './refusal.ts'
import type { World } from './world.ts'

const service = 'spot.amazonaws.com'
const name = 'AWSServiceRoleForEC2Spot'

/** The role of spot machines, which only its service can make; the emulator keeps all others. */
export const getRole: Operation = async (call, world) => {
  if (call.parameters['RoleName'] !== name) return await world.upstream.forward(call)
  if (world.settings.spotRole === 'missing')
    throw new Refusal({
      code: 'NoSuchEntity',
      status: 404,
      message: `The role with name ${name} cannot be found.`,
    })
  return queryAnswer('GetRole', 'https://iam.amazonaws.com/doc/2010-05-08/', {
    Role: {
      Path: `/aws-service-role/${service}/`,
      RoleName: name,
      RoleId: 'AROAFACTORYSPOT',
      Arn: arnOf(world),
      CreateDate: '2020-01-01T00:00:00Z',
      AssumeRolePolicyDocument: '%7B%7D',
    },
  })
}

/** https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/service-linked-roles-spot-instance-requests.html: who may make the role has it made by the first request. */
export function needSpotRole(world: World): void {
  if (world.settings.spotRole === 'there') return
  const context = { 'iam:awsservicename': service }
  const decision = decide(world.settings.policy, 'iam:CreateServiceLinkedRole', arnOf(world), context)
  if (decision !== 'allowed')
    throw new Refusal({
      code: 'AuthFailure.ServiceLinkedRoleCreationNotPermitted',
      status: 403,
      message:
        'The provided credentials do not have permission to create the service-linked role for EC2 Spot Instances.',
    })
  world.settings.spotRole = 'there'
}

function arnOf({ account }: World): string {
  return `arn:aws:iam::${account}:role/aws-service-role/${service}/${name}`
}
