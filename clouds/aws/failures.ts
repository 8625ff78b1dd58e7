import { FactoryError, type FactoryErrorFacts } from '#src/errors.ts'

/** How a call of the SDK can fail; of its errors these are the parts that count. */
interface SdkError extends Error {
  code?: string
  Code?: string
  $metadata?: { httpStatusCode?: number; requestId?: string }
}

type Reading = Pick<FactoryErrorFacts, 'code' | 'class' | 'hint'>

/** Names of errors, in the order in which they are looked for, and what each means to a person. */
const readings: readonly [RegExp, Reading][] = [
  [
    /^(ExpiredToken|ExpiredTokenException|RequestExpired|InvalidClientTokenId|InvalidAccessKeyId|RequestTimeTooSkewed|UnrecognizedClientException|AuthFailure|SignatureDoesNotMatch|InvalidSignatureException|CredentialsProviderError|TokenProviderError|MissingAuthenticationToken.*|IncompleteSignature)$/,
    {
      code: 'aws-credentials',
      class: 'permission',
      hint: 'Log in again (aws sso login --profile NAME; with a code from a device aws sts get-session-token; or new keys), check `profile` in the configuration and the clock of this machine; then run the same command again.',
    },
  ],
  [
    /^(UnauthorizedOperation|AccessDenied|AccessDeniedException|OperationNotPermitted|UnauthorizedAccess)$/,
    {
      code: 'aws-permission',
      class: 'permission',
      hint: 'Run factory doctor: it names all that is missing, with a policy to paste.',
    },
  ],
  [
    /^(InsufficientInstanceCapacity|InsufficientHostCapacity|InsufficientCapacity|Unsupported|SpotMaxPriceTooLow|InsufficientFreeAddressesInSubnet|Server\.InsufficientInstanceCapacity)$/,
    {
      code: 'aws-no-capacity',
      class: 'capacity',
      hint: 'Name more `instanceTypes` or `subnets`, or another cloud in `builders`; or try again later.',
    },
  ],
  [
    /^(RequestLimitExceeded|Throttling\w*|RequestThrottled\w*|ConcurrentLimitExceededException|TooManyRequests\w*|EC2ThrottledException|SlowDown)$/,
    {
      code: 'aws-throttled',
      class: 'infra',
      hint: 'AWS asks for fewer calls; it was tried again for a while. Run the same command again later.',
    },
  ],
  [
    /^(\w*LimitExceeded|\w*LimitExceededException|ServiceQuotaExceededException|MaxSpotInstanceCountExceeded|PendingSnapshotLimitExceeded)$/,
    {
      code: 'aws-quota',
      class: 'quota',
      hint: 'Ask for a higher quota (AWS console, Service Quotas) or remove what is not needed: factory reap.',
    },
  ],
  [
    /^(Internal\w*|ServiceUnavailable\w*|Unavailable|InsufficientCapacityOnHost|ServerInternal)$/,
    { code: 'aws-failed', class: 'infra', hint: 'AWS itself failed: run the same command again.' },
  ],
  [
    /^(InvalidSnapshot\.NotFound|ResourceNotFoundException)$/,
    {
      code: 'aws-vanished',
      class: 'infra',
      hint: 'What was made a moment ago is not there, or not known yet: run the same command again, it looks anew.',
    },
  ],
  [
    /^(Invalid\w+(\.\w+)*|Missing\w+|Malformed\w+|Validation\w+|IdempotentParameterMismatch|ConflictException|ResourceNotFoundException|VPCIdNotSpecified|OptInRequired|PendingVerification|Blocked|NoSuchBucket|PermanentRedirect)$/,
    {
      code: 'aws-refused',
      class: 'user',
      hint: 'Compare what it names with clouds.NAME in the configuration; factory doctor looks at all of it.',
    },
  ],
]

const unreadable: Reading = {
  code: 'aws-answer-unreadable',
  class: 'infra',
  hint: 'Run the same command again. Is `endpoint` in the configuration right, and what stands before it?',
}

const unreachable: Reading = {
  code: 'aws-not-reachable',
  class: 'infra',
  hint: 'Look at the network, at `region` and at `endpoint` in the configuration.',
}

/** What a call of the SDK failed with, also after `awsFailure`: the error's name as AWS writes it, e.g. `InvalidAMIName.Duplicate`. */
export function awsErrorName(error: unknown): string {
  if (!(error instanceof Error)) return ''
  if (error instanceof FactoryError) return String(error.context['name'] ?? '')
  const { code, Code, name } = error as SdkError
  return Code ?? (name === 'Error' ? (code ?? name) : name)
}

/** Whether the service answered that what was asked for is not there. */
export function isNotFound(error: unknown): boolean {
  return /(\.NotFound|^ResourceNotFoundException|^ParameterNotFound|\.Unavailable)$/.test(awsErrorName(error))
}

/** Gives a failed call a code, a place and the next thing to type. `what` says what was being done, e.g. `starting a machine`. */
export function awsFailure(error: unknown, what: string, region: string): FactoryError {
  if (error instanceof FactoryError) return error
  const name = awsErrorName(error)
  const { message, $metadata } = error as SdkError
  const reading = notFromAws.test(message) ? unreadable : readingOf(name, $metadata?.httpStatusCode)
  return new FactoryError({
    ...reading,
    message: `${what} in ${region} failed: ${saidBy(name, message).slice(0, 2000)}`,
    cause: error,
    context: { name, region, ...($metadata?.requestId ? { requestId: $metadata.requestId } : {}) },
  })
}

/** What the SDK says when it cannot make sense of an answer. */
const notFromAws = /XML parse error|Deserialization error|^Unknown(Error)?$/

function saidBy(name: string, message: string): string {
  if (name === 'TimeoutError') return 'no answer came in time'
  if (name === 'NoAnswer') return message
  if (notFromAws.test(message)) return `what answered is not AWS (${name})`
  return message === '' || message === name ? name : `${name}: ${message}`
}

function readingOf(name: string, status: number | undefined): Reading {
  for (const [pattern, reading] of readings) if (pattern.test(name)) return reading
  if (name === 'UnreadablePage') return unreadable
  if (status === undefined) return unreachable
  return {
    code: 'aws-failed',
    class: 'infra',
    hint: 'Run the same command again; factory doctor looks at the account.',
  }
}
