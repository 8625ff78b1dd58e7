import { fromNodeProviderChain } from '@aws-sdk/credential-providers'
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
interface Watched {
  middlewareStack: { add(...middleware: never[]): void }
}

/**
 * Credentials from the usual chain. Many of them do not say when they end, like the keys of a session that another tool
 * writes into ~/.aws/credentials every hour: so once AWS has called them expired, the whole chain is gone through again,
 * files and all.
 */
export function sessionCredentials(profile?: string): SessionCredentials {
  const chain = fromNodeProviderChain({ ignoreCache: true, ...(profile === undefined ? {} : { profile }) })
  let forceRefresh = false
  return {
    async provider() {
      const identity = await chain({ forceRefresh })
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
