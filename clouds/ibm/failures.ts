import { z } from 'zod'
import { FactoryError, type FactoryErrorFacts } from '#src/errors.ts'
import type { RawAnswer } from './send.ts'

/** What was being done, and how it failed: without an answer, or with one. */
export interface IbmFailureFacts {
  /** E.g. `starting a machine`. */
  readonly what: string
  readonly region: string
  readonly error?: unknown
  readonly answer?: RawAnswer
}

type Reading = Pick<FactoryErrorFacts, 'code' | 'class' | 'hint'>

/** How VPC and resource manager, IAM and tagging write errors. */
const vpcErrors = z.object({
  errors: z.array(z.object({ code: z.string(), message: z.string().default('') })).min(1),
  trace: z.string().optional(),
})
const iamError = z.object({ errorCode: z.string(), errorMessage: z.string().default('') })

const credentials: Reading = {
  code: 'ibm-credentials',
  class: 'permission',
  hint: 'Make a new API key (ibmcloud iam api-key-create factory --file KEYFILE) and put it where the configuration says; look at the clock of this machine.',
}
const unreadable: Reading = {
  code: 'ibm-answer-unreadable',
  class: 'infra',
  hint: 'Run the same command again. Are the `endpoints` in the configuration right, and what stands before them?',
}

/** By status and code, in the order in which they are looked for, and what each means to a person. */
const readings: readonly [(status: number, code: string) => boolean, Reading][] = [
  [(_, code) => /^(BXNIM0(415|410|413|407)E)$/.test(code), credentials],
  [(status) => status === 401, credentials],
  [
    (_, code) => /quota|limit_exceeded/i.test(code),
    {
      code: 'ibm-quota',
      class: 'quota',
      hint: 'Ask for a higher quota (a support case, IBM Cloud console) or remove what is not needed: factory reap.',
    },
  ],
  [
    (_, code) => /capacity|insufficient_(resources|host)/i.test(code),
    {
      code: 'ibm-no-capacity',
      class: 'capacity',
      hint: 'Name more `profiles` or `subnets` in other zones, or another cloud in `builders`; or try again later.',
    },
  ],
  [
    (status, code) => status === 403 || /not_authorized|forbidden/i.test(code),
    {
      code: 'ibm-permission',
      class: 'permission',
      hint: 'Run factory doctor; docs/clouds/ibm.md lists the rights that the API key needs.',
    },
  ],
  [
    (status) => status === 429,
    {
      code: 'ibm-throttled',
      class: 'infra',
      hint: 'IBM Cloud asks for fewer calls; it was tried again for a while. Run the same command again later.',
    },
  ],
  [
    (status) => status === 409,
    {
      code: 'ibm-busy',
      class: 'infra',
      hint: 'Something is still being done with it: run the same command again, it looks anew.',
    },
  ],
  [
    (status) => status >= 500,
    { code: 'ibm-failed', class: 'infra', hint: 'IBM Cloud itself failed: run the same command again.' },
  ],
  [
    (status) => status >= 400,
    {
      code: 'ibm-refused',
      class: 'user',
      hint: 'Compare what it names with clouds.NAME in the configuration; factory doctor looks at all of it.',
    },
  ],
]

/** Gives a failed call a code, a place and the next thing to type. */
export function ibmFailure({ what, region, error, answer }: IbmFailureFacts): FactoryError {
  if (error instanceof FactoryError) return error
  const place = `${what} in ${region} failed`
  if (answer === undefined) {
    const late = error instanceof DOMException && error.name === 'TimeoutError'
    return new FactoryError({
      code: 'ibm-not-reachable',
      class: 'infra',
      hint: 'Look at the network, and at `region` and `endpoints` in the configuration.',
      message: `${place}: ${late ? 'no answer came in time' : reasonOf(error)}`,
      cause: error,
      context: { name: late ? 'TimeoutError' : '', region },
    })
  }
  const { code, message, trace } = saidIn(answer)
  const [, reading] = readings.find(([applies]) => applies(answer.status, code)) ?? [undefined, unreadable]
  const fromElsewhere = code === '' && answer.status !== 401
  return new FactoryError({
    ...(fromElsewhere && answer.status < 500 ? unreadable : reading),
    message: fromElsewhere
      ? `${place}: what answered is not IBM Cloud (${answer.status})`
      : `${place}: ${code === '' ? answer.status : `${code}: ${message}`}`.slice(0, 2000),
    context: { name: code, status: answer.status, region, ...(trace === undefined ? {} : { trace }) },
  })
}

/** The service answered, and not what it would answer. */
export function unreadableAnswer(what: string, region: string, cause?: unknown): FactoryError {
  return new FactoryError({
    ...unreadable,
    message: `${what} in ${region} was answered with nothing that IBM Cloud would say`,
    cause,
  })
}

/** The error's code as IBM writes it, e.g. `over_quota`. */
export function ibmErrorName(error: unknown): string {
  return error instanceof FactoryError ? String(error.context['name'] ?? '') : ''
}

/** The HTTP status that a call was answered with; undefined when there was no answer. */
export function ibmStatus(error: unknown): number | undefined {
  const status = error instanceof FactoryError ? error.context['status'] : undefined
  return typeof status === 'number' ? status : undefined
}

/** A name that is taken has this code in some services and another one in others; whoever asks looks by name then. */
export function isNameTaken(error: unknown): boolean {
  return /unique|duplicate|already_exists|name_in_use/i.test(ibmErrorName(error))
}

function saidIn({ json }: RawAnswer): { code: string; message: string; trace?: string | undefined } {
  const vpc = vpcErrors.safeParse(json)
  if (vpc.success) {
    const { code, message } = vpc.data.errors[0]!
    return { code, message, trace: vpc.data.trace }
  }
  const iam = iamError.safeParse(json)
  return iam.success
    ? { code: iam.data.errorCode, message: iam.data.errorMessage }
    : { code: '', message: '' }
}

/** fetch says only that it failed; why stands in its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  return cause instanceof Error && cause.message !== '' ? cause.message : error.message
}
