import { randomUUID } from 'node:crypto'

/** IBM Cloud says no. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

/** The refusal as the service writes it. */
export function refusalBody(
  service: string,
  { code, message, status }: Pick<Refused, 'code' | 'message' | 'status'>,
): object {
  if (service === 'iam')
    return { errorCode: code, errorMessage: message, context: { requestId: randomUUID() } }
  const error = {
    code,
    message,
    more_info: `https://cloud.ibm.com/docs/vpc?topic=vpc-rias-error-messages#${code}`,
  }
  return { errors: [error], trace: randomUUID(), status_code: status }
}
