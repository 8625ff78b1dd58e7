import { randomBytes } from 'node:crypto'
import { asFactoryError } from '#src/errors.ts'
import { lines } from './markup.ts'

/** What a page says of what was pressed on the one before. */
export interface Told {
  ok: boolean
  message: string
  hint?: string
  code?: string
}

/** Keeps messages for the page that follows: an address holds only a number, so nobody can make a page say something. */
export interface TellingBoard {
  /** Returns the number for the address. */
  put(told: Told): string
  get(number: string | undefined): Told | undefined
}

const keptMessages = 200

export function tellingBoard(): TellingBoard {
  const kept = new Map<string, Told>()
  return {
    put(told) {
      const number = randomBytes(9).toString('base64url')
      kept.set(number, told)
      const [oldest] = kept.keys()
      if (kept.size > keptMessages && oldest !== undefined) kept.delete(oldest)
      return number
    },
    get: (number) => (number === undefined ? undefined : kept.get(number)),
  }
}

/** Why something could not be done. */
export function refusal(error: unknown): Told {
  const { message, hint, code } = asFactoryError(error)
  return { ok: false, message: lines(message), code, ...(hint === undefined ? {} : { hint: lines(hint) }) }
}
