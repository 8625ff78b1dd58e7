import type { Answer } from './call.ts'
import { Refusal } from './refusal.ts'

/** The one size that EBS direct knows. */
export const blockBytes = 524_288
export const blocksPerGiB = 2048

/** Everything was checked, so the emulator has no reason to say no. */
export function done(answer: Answer): Answer {
  if (answer.status < 300) return answer
  throw new Refusal({
    code: 'InternalServerException',
    status: 500,
    message: `the emulator answered ${answer.status}: ${String(answer.body)}`,
  })
}

/** An answer of a service that speaks JSON. */
export function json(status: number, content: object): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify(content)),
  }
}
