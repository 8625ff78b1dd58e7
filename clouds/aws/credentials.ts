import { fromNodeProviderChain } from '@aws-sdk/credential-providers'
import { quoteWord } from '#src/builder/quote.ts'
import { FactoryError } from '#src/errors.ts'
import { awsErrorName } from './failures.ts'

/** Whether AWS said that the session behind our credentials has ended; it has done nothing then. */
export function isExpired(error: unknown): boolean {
  return /^(ExpiredToken|ExpiredTokenException|RequestExpired)$/.test(awsErrorName(error))
}

type Identity = Awaited<ReturnType<ReturnType<typeof fromNodeProviderChain>>>

export interface SessionCredentials {
  /** For the configuration of a client. */
  provider(): Promise<Identity>
  /** Has the credentials read anew when AWS tells this client that they have ended. */
  watch<T extends Watched>(client: T): T
}

/** Any client: the types of their stacks have nothing in common but this. */
export interface Watched {
  middlewareStack: { add(...middleware: never[]): void }
}

/**
 * Credentials from the usual chain. Many of them do not say when they end, like the keys of a session that another tool
 * writes into ~/.aws/credentials every hour: so once AWS has called them expired, the whole chain is gone through again,
 * files and all.
 */
export function sessionCredentials(profile?: string): SessionCredentials {
  const which = profile === undefined ? {} : { profile }
  const chain = fromNodeProviderChain({ ignoreCache: true, logger: silent, ...which })
  let forceRefresh = false
  return {
    async provider() {
      const identity = await chain({ forceRefresh }).catch((error: unknown) => {
        throw noCredentials(profile, error)
      })
      forceRefresh = false
      // What has ended a client asks for again before each request; anything else it would keep.
      return { ...identity, expiration: new Date(0) }
    },
    watch(client) {
      const watching = (next: (request: unknown) => Promise<unknown>) => async (request: unknown) => {
        try {
          return await next(request)
        } catch (error) {
          if (isExpired(error)) forceRefresh = true
          throw error
        }
      }
      const place = { step: 'finalizeRequest', name: 'watchForExpiry' }
      client.middlewareStack.add(watching as never, place as never)
      return client
    },
  }
}

/** Else it prints many lines when keys stand in the environment beside a named profile, which then counts. */
const silent = { debug() {}, info() {}, warn() {}, error() {} }

/** Where the chain has come to its end it only says so; why depends on what there is. */
function noCredentials(profile: string | undefined, error: unknown): unknown {
  if (!(error instanceof Error && /from any providers/.test(error.message))) return error
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_PROFILE } = process.env
  const named = profile ?? AWS_PROFILE
  const facts = { code: 'aws-credentials', class: 'permission', cause: error } as const
  if (named !== undefined) {
    return new FactoryError({
      ...facts,
      message: `~/.aws/config and ~/.aws/credentials have no profile ${named} with credentials`,
      hint: `See which there are: aws configure list-profiles; make it: aws configure --profile ${quoteWord(named)}`,
    })
  }
  if (id !== undefined && secret === undefined) {
    return new FactoryError({
      ...facts,
      message: 'AWS_ACCESS_KEY_ID is set in the environment, and AWS_SECRET_ACCESS_KEY is not',
      hint: 'Set both (and AWS_SESSION_TOKEN where there is one), or neither.',
    })
  }
  return new FactoryError({
    ...facts,
    message:
      'there are no credentials for AWS: not in the environment, not in ~/.aws, no role of this machine',
    hint: 'Run aws configure, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a `profile` in the configuration.',
  })
}
