import { FactoryError, type FactoryErrorFacts } from '#src/errors.ts'

/** An answer that is none of those that were hoped for. */
export interface Refusal {
  readonly status: number
  /** What the service says, without HTML. */
  readonly message: string
  /** Neutron’s name of an error, e.g. `OverQuota`. */
  readonly type: string
}

type Reading = Pick<FactoryErrorFacts, 'code' | 'class' | 'hint'>

const quota: Reading = {
  code: 'openstack-quota',
  class: 'quota',
  hint: 'Ask for more (openstack quota show; the operators of the cloud raise it), or remove what is not needed: factory reap.',
}
const capacity: Reading = {
  code: 'openstack-no-capacity',
  class: 'capacity',
  hint: 'Name more `flavors` or `zones`, or another cloud in `builders`; or try again later.',
}

/** What services say in words only: Nova tells a quota from a missing right by nothing else, both are 403. */
const readings: readonly [RegExp, Reading][] = [
  [/quota|OverLimit|LimitExceeded|exceeds? .*(limit|available)|size .* exceeds/i, quota],
  [
    /no valid host|not enough hosts|exhausted all hosts|maximum number of (scheduling attempts|retries)|IpAddressGenerationFailure|ExternalIpAddressExhausted|NoMoreFixedIps|no more (fixed )?IP|insufficient/i,
    capacity,
  ],
]

const byStatus: Readonly<Record<number, Reading>> = {
  401: {
    code: 'openstack-credentials',
    class: 'permission',
    hint: 'Has the password been changed, or the application credential expired? Try the same with: openstack token issue',
  },
  403: {
    code: 'openstack-permission',
    class: 'permission',
    hint: 'The role of this user in the project does not allow it (most calls need `member`): openstack role assignment list --names --user USER',
  },
  413: quota,
  429: {
    code: 'openstack-throttled',
    class: 'infra',
    hint: 'The cloud asks for fewer calls; it was tried again for a while. Run the same command again later.',
  },
}

/** What a fault of a server or an error of a service means; undefined when its words say nothing of capacity or quota. */
export function shortageIn(words: string): Reading | undefined {
  return readings.find(([pattern]) => pattern.test(words))?.[1]
}

/** Gives a refused call a code, a place and the next thing to type. `what` says what was being done, e.g. `starting a machine`. */
export function openstackFailure(refusal: Refusal, what: string, region: string): FactoryError {
  const { status, message, type } = refusal
  return new FactoryError({
    ...readingOf(refusal),
    message: `${what} in ${region} failed: ${status}${message === '' ? '' : ` ${message}`}`.slice(0, 2000),
    context: { status, region, ...(type === '' ? {} : { type }) },
  })
}

/** What no answer came from. */
export function notReachable(what: string, host: string, cause: unknown): FactoryError {
  const inner = cause instanceof Error ? (cause.cause ?? cause) : cause
  const why =
    inner instanceof Error ? ((inner as NodeJS.ErrnoException).code ?? inner.message) : String(inner)
  return new FactoryError({
    code: 'openstack-not-reachable',
    message: `${what} failed: no answer from ${host} (${why})`,
    hint: 'Look at the network, at auth_url in clouds.yaml and at `interface` in the configuration.',
    class: 'infra',
    cause,
  })
}

/** An answer that no service of OpenStack would give. */
export function unreadableAnswer(what: string, region: string, why: string, cause?: unknown): FactoryError {
  return new FactoryError({
    code: 'openstack-answer-unreadable',
    message: `${what} in ${region}: what answered cannot be understood (${why.slice(0, 500)})`,
    hint: 'Run the same command again: it looks first what is there. What stands before the services of this cloud?',
    class: 'infra',
    cause,
  })
}

/** The HTTP status that a failure came with; 0 for all others. */
export function statusOf(error: unknown): number {
  return error instanceof FactoryError ? Number(error.context['status'] ?? 0) : 0
}

/** Whether a service answered that what was asked for is not there. */
export function isNotFound(error: unknown): boolean {
  return statusOf(error) === 404 || statusOf(error) === 410
}

/** Whether a service has refused, so that nothing was made; anything else leaves that open. */
export function isRefusal(error: unknown): boolean {
  const status = statusOf(error)
  return status >= 400 && status < 500 && status !== 408 && status !== 429
}

function readingOf({ status, message, type }: Refusal): Reading {
  const words = `${type} ${message}`
  const shortage = status < 500 ? shortageIn(words) : undefined
  if (shortage && [400, 403, 409, 413].includes(status)) return shortage
  const known = byStatus[status]
  if (known) return known
  if (status >= 500 || status === 408) {
    return {
      code: 'openstack-failed',
      class: 'infra',
      hint: 'The cloud itself failed: run the same command again.',
    }
  }
  return {
    code: 'openstack-refused',
    class: 'user',
    hint: 'Compare what it names with clouds.NAME in the configuration; factory doctor looks at all of it.',
  }
}
