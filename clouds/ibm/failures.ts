import { z } from 'zod'
import { FactoryError } from '#src/errors.ts'
import { readingOf, unreadable } from './failure-readings.ts'
import type { RawAnswer } from './send.ts'

/** What was being done, and how it failed: without an answer, or with one. */
export interface IbmFailureFacts {
  /** E.g. `starting a machine`. */
  readonly what: string
  readonly region: string
  readonly error?: unknown
  readonly answer?: RawAnswer
}

/** How VPC and resource manager, IAM and tagging write errors. */
const vpcErrors = z.object({
  errors: z.array(z.object({ code: z.string(), message: z.string().default('') })).min(1),
  trace: z.string().optional(),
})
const iamError = z.object({ errorCode: z.string(), errorMessage: z.string().default('') })

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
  const reading = readingOf(answer.status, code) ?? unreadable
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
