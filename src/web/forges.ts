import { isUtf8 } from 'node:buffer'
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { verify } from '@octokit/webhooks-methods'

export interface SignedRequest {
  header(name: string): string | undefined
  /** As it came. */
  body: Buffer
  secret: string
  /** Milliseconds since 1970. */
  now: number
}

/** What is particular to one kind of forge. */
export interface Forge {
  /** Whether whoever sent it has the secret; compares in constant time. */
  isSigned(request: SignedRequest): Promise<boolean>
  /** Whether it only tries whether we are there. */
  isPing(header: SignedRequest['header']): boolean
}

export function forgeOf(name: string): Forge | undefined {
  return Object.hasOwn(forges, name) ? forges[name as keyof typeof forges] : undefined
}

const forges = {
  /** https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries */
  github: {
    isSigned: ({ header, body, secret }) => hexSigned(body, secret, header('x-hub-signature-256')),
    isPing: (header) => header('x-github-event') === 'ping',
  },
  /** https://forgejo.org/docs/latest/user/webhooks/; Gitea has the older of both names. What is tried there is sent as a push. */
  forgejo: {
    isSigned: ({ header, body, secret }) => {
      const signature = header('x-forgejo-signature') ?? header('x-gitea-signature')
      return hexSigned(body, secret, signature && `sha256=${signature}`)
    },
    isPing: () => false,
  },
  /**
   * https://docs.gitlab.com/user/project/integrations/webhooks/: a signing token (`whsec_…`) makes a signature, a secret
   * token is sent as it is. With a signing token the secret token alone is not enough.
   */
  gitlab: {
    isSigned: async (request) =>
      request.secret.startsWith(signingPrefix)
        ? standardSigned(request)
        : sameText(request.header('x-gitlab-token') ?? '', request.secret),
    isPing: () => false,
  },
} satisfies Record<string, Forge>

const signingPrefix = 'whsec_'
/** What the specification recommends; a webhook that is sent again later is signed anew. */
const toleranceSeconds = 300

async function hexSigned(body: Buffer, secret: string, signature: string | undefined): Promise<boolean> {
  // The library takes text: what is no UTF-8 would be signed as something else than what came.
  if (!signature || !isUtf8(body)) return false
  return verify(secret, body.toString('utf8'), signature)
}

/** https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
function standardSigned({ header, body, secret, now }: SignedRequest): boolean {
  const [id, timestamp, signatures] = [
    header('webhook-id'),
    header('webhook-timestamp'),
    header('webhook-signature'),
  ]
  if (id === undefined || timestamp === undefined || signatures === undefined) return false
  const apartSeconds = Math.abs(now / 1000 - Number(timestamp))
  if (!/^\d{1,12}$/.test(timestamp) || apartSeconds > toleranceSeconds) return false
  const key = Buffer.from(secret.slice(signingPrefix.length), 'base64')
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')
  return signatures.split(' ').some((signature) => sameText(signature, `v1,${expected}`))
}

/** Digests have one length, so the comparison takes the same time for every text. */
function sameText(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => createHash('sha256').update(text).digest()) as [Buffer, Buffer]
  return timingSafeEqual(a, b)
}
