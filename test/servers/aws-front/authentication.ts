import type { Call } from './call.ts'
import { Refusal } from './refusal.ts'
import { isSignedWith, unsignedHeaders } from './signature.ts'
import type { Authorization } from './signature.ts'

/** A key that the front knows. */
export interface Credential {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Has to come with every request when there is one. */
  readonly sessionToken?: string
  /** Whose key it is; `arn:aws:iam::ACCOUNT:user/factory` when not given. */
  readonly arn?: string
  /** Tests set it to make a session end in the middle. */
  expired?: boolean
}

export type Signed = Pick<Call, 'method' | 'url' | 'headers' | 'bodySha256'>

/** S3 allows fifteen minutes, the others five; the stricter is used everywhere. */
const skewLimitMs = 5 * 60_000
const notHashed =
  /^(UNSIGNED-PAYLOAD|STREAMING-(UNSIGNED-PAYLOAD-TRAILER|AWS4-HMAC-SHA256-PAYLOAD(-TRAILER)?))$/

/** The credential that signed the request; refuses as the service would: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html */
export function authenticate(
  signed: Signed,
  authorization: Authorization | undefined,
  credentials: readonly Credential[],
  now: number,
): Credential {
  const { headers } = signed
  if (authorization === undefined) throw refuse('unknown', missing)
  const { service } = authorization
  const credential = credentials.find(({ accessKeyId }) => accessKeyId === authorization.accessKeyId)
  if (!credential || headers['x-amz-security-token'] !== credential.sessionToken)
    throw refuse(service, unknownKey)
  if (credential.expired) throw refuse(service, expired)
  const { presigned } = authorization
  const written = presigned?.time ?? String(headers['x-amz-date'])
  const time = signingTime(written)
  if (time === undefined || !written.startsWith(authorization.date))
    throw refuse(service, wrong, 'X-Amz-Date is missing or of another day than the scope')
  const lastMs = presigned ? presigned.expiresSeconds * 1000 : skewLimitMs
  if (now - time > lastMs || time - now > skewLimitMs) throw refuse(service, skewed)
  const unsigned = unsignedHeaders(authorization, headers)
  if (unsigned.length > 0) throw refuse(service, wrong, `headers are not signed: ${unsigned.join(', ')}`)
  const payloadHash = presigned ? 'UNSIGNED-PAYLOAD' : hashOfPayload(signed, service)
  if (!isSignedWith(credential.secretAccessKey, authorization, { ...signed, payloadHash }))
    throw refuse(service, wrong)
  return credential
}

/** Only the body of a block and of an S3 object may go unsigned. */
function hashOfPayload({ bodySha256, headers, method }: Signed, service: string): string {
  const said = headers['x-amz-content-sha256']
  const claimed = Array.isArray(said) ? said.join() : said
  const mayBeUnsigned = service === 's3' || (service === 'ebs' && method === 'PUT')
  if (claimed !== undefined && notHashed.test(claimed) && mayBeUnsigned) return claimed
  const counted = bodySha256?.toString('hex') ?? claimed
  if (counted === undefined || (claimed !== undefined && claimed !== counted))
    throw refuse(service, wrong, 'x-amz-content-sha256 is not the SHA-256 of the body')
  return counted
}

function signingTime(written: string): number | undefined {
  const form = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(written)
  if (!form) return undefined
  const [year, month, day, hour, minute, second] = form.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  return Date.UTC(year, month - 1, day, hour, minute, second)
}

interface Kind {
  readonly message: string
  readonly status: number
  /** Code by service; `others` for those not named. */
  readonly codes: Readonly<Record<string, string>>
}

const notValidated = 'AWS was not able to validate the provided access credentials'
const missing: Kind = {
  message: 'Request is missing Authentication Token',
  status: 403,
  codes: { others: 'MissingAuthenticationToken' },
}
const unknownKey: Kind = {
  message: notValidated,
  status: 403,
  codes: {
    ec2: 'AuthFailure',
    ebs: 'UnrecognizedClientException',
    ssm: 'UnrecognizedClientException',
    s3: 'InvalidAccessKeyId',
    others: 'InvalidClientTokenId',
  },
}
const wrong: Kind = {
  message: 'The request signature we calculated does not match the signature you provided',
  status: 403,
  codes: {
    ec2: 'AuthFailure',
    ebs: 'InvalidSignatureException',
    ssm: 'InvalidSignatureException',
    others: 'SignatureDoesNotMatch',
  },
}
const skewed: Kind = {
  message: 'Signature expired or not yet current: the time of the request is too far from ours',
  status: 403,
  codes: { ...wrong.codes, s3: 'RequestTimeTooSkewed' },
}
export const expired: Kind = {
  message: 'The security token included in the request is expired',
  status: 403,
  codes: {
    ec2: 'RequestExpired',
    ebs: 'ExpiredTokenException',
    ssm: 'ExpiredTokenException',
    others: 'ExpiredToken',
  },
}

export function refuse(service: string, kind: Kind, detail?: string): Refusal {
  const code = kind.codes[service] ?? kind.codes['others'] ?? 'AccessDenied'
  const status = service === 'ec2' && code === 'AuthFailure' ? 401 : kind.status
  const message = service === 'ec2' && code === 'AuthFailure' ? notValidated : kind.message
  return new Refusal({ code, status, message: detail === undefined ? message : `${message} (${detail})` })
}
