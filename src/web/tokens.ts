import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { FactoryError } from '#src/errors.ts'

/** Who may come in: one token, and the sessions of browsers that showed it. */
export interface Access {
  /** Of the cookie of a session. Browsers know no ports: each image that is served on a host has a name of its own for it. */
  readonly cookie: string
  /** Takes the same time whatever is wrong with the token. */
  opens(token: string): boolean
  /** Of a person who calls themselves so; returns the id that goes into the cookie. */
  begin(name: string): string
  /** What the person of a session that goes on is called. */
  personOf(session: string): string | undefined
  end(session: string): void
}

/** What the names of all these cookies begin with. */
export const sessionCookie = 'factory-session'

/** Of bytes; both are random, so a plain digest of them cannot be guessed back. */
const secretBytes = 32
const sessionMs = 30 * 86_400_000
const mostSessions = 200

const hash = z.string().regex(/^[0-9a-f]{64}$/)
/** Sessions of before they had names are the page's. */
const person = z.strictObject({ session: hash, until: z.number(), name: z.string().default('page') })
const kept = z.strictObject({
  token: hash,
  sessions: z.array(person).max(mostSessions),
})

/**
 * Opens `web-access.json` in the state directory (0600; only digests lie in there), or makes it with a new token, which
 * is returned this one time; `forget` takes a new one back, so that the next start makes one that is shown. Throws
 * `web-access-broken`.
 */
export function openAccess(
  stateDirectory: string,
  now: () => number,
): { access: Access; token?: string; forget(): void } {
  const file = join(stateDirectory, 'web-access.json')
  const found = read(file)
  const token = found ? undefined : randomBytes(secretBytes).toString('base64url')
  const known = found ?? { token: digest(token!), sessions: [] }
  const write = () => {
    mkdirSync(stateDirectory, { recursive: true, mode: 0o700 })
    writeFileSync(`${file}.new`, JSON.stringify(known), { mode: 0o600, flush: true })
    renameSync(`${file}.new`, file)
  }
  if (!found) write()
  const access: Access = {
    cookie: `${sessionCookie}-${digest(known.token).slice(0, 8)}`,
    opens: (shown) => timingSafeEqual(Buffer.from(digest(shown)), Buffer.from(known.token)),
    begin(name) {
      const session = randomBytes(secretBytes).toString('base64url')
      const living = known.sessions.filter(({ until }) => until > now())
      const begun = { session: digest(session), until: now() + sessionMs, name }
      known.sessions = [...living, begun].slice(-mostSessions)
      write()
      return session
    },
    personOf(shown) {
      const digested = digest(shown)
      return known.sessions.find(({ session, until }) => session === digested && until > now())?.name
    },
    end(shown) {
      const digested = digest(shown)
      known.sessions = known.sessions.filter(({ session }) => session !== digested)
      write()
    },
  }
  const forget = () => {
    if (token !== undefined) rmSync(file, { force: true })
  }
  return { access, forget, ...(token === undefined ? {} : { token }) }
}

function digest(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

function read(file: string): z.infer<typeof kept> | undefined {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw broken(file, error)
  }
  try {
    return kept.parse(JSON.parse(text))
  } catch (error) {
    throw broken(file, error)
  }
}

function broken(file: string, cause: unknown): FactoryError {
  return new FactoryError({
    code: 'web-access-broken',
    message: `${file} cannot be read, so nobody could be let in`,
    hint: `Look at it; when it is removed, the next start of factory serve makes a new token and shows it.`,
    class: 'user',
    cause,
  })
}
