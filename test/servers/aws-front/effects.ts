import { expired, refuse } from './authentication.ts'
import type { FrontRequest } from './call.ts'
import type { Effect } from './faults.ts'
import { Refusal } from './refusal.ts'
import type { RefusalFacts } from './refusal.ts'

/** Too many requests, as each service says it; EBS direct gives a reason. */
export function throttled(reason = 'ACCOUNT_THROTTLED'): Effect {
  return refusing((service) => {
    if (service === 'ebs') return { ...inService(throttling, service), status: 400, reason }
    return inService(throttling, service)
  })
}

/** A failure of the service's own before it did anything. */
export function serverError(): Effect {
  return refusing((service) => inService(internal, service))
}

/** The service has done it and says that it failed. */
export function lostAnswer(): Effect {
  return { kind: 'done-and-refused', refusal: (service) => new Refusal(inService(internal, service)) }
}

/** The connection breaks with the request done, which is the worst, or before. */
export function cut(isDone = true): Effect {
  return { kind: 'cut', isDone }
}

/** The connection stays open and nothing comes. */
export function stalled(isDone = false): Effect {
  return { kind: 'stalled', isDone }
}

/** The request is done only when it is let happen; what came of it stands in its record. */
export function late(): { effect: Effect; letHappen(): Promise<FrontRequest> } {
  const { promise: until, resolve: begin } = Promise.withResolvers<void>()
  const { promise: record, resolve: answered } = Promise.withResolvers<FrontRequest>()
  const letHappen = () => {
    begin()
    return record
  }
  return { effect: { kind: 'late', until, answered }, letHappen }
}

/** The session ended; for a session that ends for good set `expired` of the credential. */
export function expiredToken(): Effect {
  return { kind: 'refused', refusal: (service) => refuse(service, expired) }
}

/** A page of something that stands before AWS. */
export function garbage(status = 200, isDone = false, body = badGateway): Effect {
  return { kind: 'garbage', isDone, status, body }
}

const badGateway = '<html><body><h1>502 Bad Gateway</h1></body></html>'

/** Any other refusal of AWS's. */
export function refusedWith(facts: RefusalFacts): Effect {
  return refusing(() => facts)
}

/** The account has no more of something. */
export function overQuota(code: keyof typeof quotas): Effect {
  return refusing(() => ({ code, ...quotas[code] }))
}

const quotas = {
  VcpuLimitExceeded: {
    status: 400,
    message:
      'You have requested more vCPU capacity than your current vCPU limit of 0 allows for the instance bucket that the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.',
  },
  MaxSpotInstanceCountExceeded: { status: 400, message: 'Max spot instance count exceeded' },
  InstanceLimitExceeded: {
    status: 400,
    message: 'You have requested more instances than your current instance limit allows',
  },
  VolumeLimitExceeded: { status: 400, message: 'You have exceeded your maximum gp3 storage limit' },
  SnapshotLimitExceeded: { status: 400, message: 'Snapshot limit exceeded' },
  PendingSnapshotLimitExceeded: { status: 400, message: 'Maximum allowed in-progress snapshots exceeded' },
  AMIQuotaExceeded: { status: 400, message: 'AMI quota exceeded' },
  ServiceQuotaExceededException: { status: 402, message: 'Your current service quotas do not allow this' },
  ConcurrentLimitExceededException: {
    status: 400,
    message: 'You have reached the limit for concurrent API requests',
  },
} as const satisfies Record<string, Omit<RefusalFacts, 'code'>>

type ByService = Readonly<Record<string, RefusalFacts>> & { readonly others: RefusalFacts }

const throttling: ByService = {
  ec2: { code: 'RequestLimitExceeded', message: 'Request limit exceeded.', status: 503 },
  ebs: { code: 'RequestThrottledException', message: 'The request was throttled', status: 400 },
  s3: { code: 'SlowDown', message: 'Please reduce your request rate.', status: 503 },
  ssm: { code: 'ThrottlingException', message: 'Rate exceeded', status: 400 },
  others: { code: 'Throttling', message: 'Rate exceeded', status: 400 },
}

const internal: ByService = {
  ec2: { code: 'InternalError', message: 'An internal error has occurred', status: 500 },
  ebs: { code: 'InternalServerException', message: 'An internal error has occurred', status: 500 },
  s3: {
    code: 'InternalError',
    message: 'We encountered an internal error. Please try again.',
    status: 500,
  },
  ssm: { code: 'InternalServerError', message: 'An internal error has occurred', status: 500 },
  others: { code: 'ServiceFailure', message: 'The request processing has failed', status: 500 },
}

function inService(facts: ByService, service: string): RefusalFacts {
  return facts[service] ?? facts.others
}

function refusing(facts: (service: string) => RefusalFacts): Effect {
  return { kind: 'refused', refusal: (service) => new Refusal(facts(service)) }
}
