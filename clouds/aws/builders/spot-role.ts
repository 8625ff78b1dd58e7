import { FactoryError } from '#src/errors.ts'
import { awsErrorName } from '../failures.ts'

/** The role in which EC2 itself sees to spot machines: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/service-linked-roles-spot-instance-requests.html */
export const spotRole = 'AWSServiceRoleForEC2Spot'

/** The console makes the role at the first spot machine of an account; a request by the API needs it, or the right to make it. */
export const makingSpotRole = 'aws iam create-service-linked-role --aws-service-name spot.amazonaws.com'

/** What EC2 answered to a request for a spot machine, with the way out where the account lacks the role. */
export function withSpotRole(failure: FactoryError): FactoryError {
  if (awsErrorName(failure) !== 'AuthFailure.ServiceLinkedRoleCreationNotPermitted') return failure
  const { message, context, cause } = failure
  return new FactoryError({
    code: 'aws-spot-role',
    message,
    hint: `Once an account, by somebody with rights on IAM: ${makingSpotRole}; or leave out \`spot: first\`.`,
    class: 'permission',
    context,
    cause,
  })
}
