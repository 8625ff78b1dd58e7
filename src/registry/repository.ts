import { createHash } from 'node:crypto'
import type { Context } from '#src/context.ts'
import { actionName, authorize, parseChallenge } from './access.ts'
import type { Actions } from './access.ts'
import { findCredentials } from './credentials.ts'
import type { Credentials } from './credentials.ts'
import { endpoint } from './endpoint.ts'
import { badAnswer, notAllowed, notFound } from './failures.ts'
import type { Reference } from './reference.ts'
import { send } from './request.ts'
import type { Answer, Patience, Request } from './request.ts'

export interface Content {
  mediaType: string
  digest: string
  body: Buffer
}

/** One repository of one registry, with the rights that it has asked for so far. */
export interface Repository {
  /** Gets a manifest or index by tag or digest, digest checked; throws `image-not-found`. */
  manifest(name: string, ctx: Context): Promise<Content>
  /** The digest behind a tag, without the manifest; what was answered before is asked for conditionally. */
  digest(tag: string, ctx: Context): Promise<string>
  /** Gets a small blob, digest checked. */
  blob(digest: string, ctx: Context): Promise<Buffer>
  putManifest(name: string, mediaType: string, body: string, ctx: Context): Promise<void>
}

export const mediaTypes = {
  index: 'application/vnd.oci.image.index.v1+json',
  list: 'application/vnd.docker.distribution.manifest.list.v2+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
} as const

const accept = Object.values(mediaTypes).join(', ')

/** The least that the distribution specification asks registries to accept as a manifest. */
const maxManifestBytes = 4 * 1024 * 1024

const digestRule = /^sha256:[0-9a-f]{64}$/

type Named = Pick<Reference, 'registry' | 'repository'>

/** Opens a repository; nothing is sent yet. `authFile` names credentials other than the usual ones. */
export function openRepository(named: Named, authFile: string | undefined, patience: Patience): Repository {
  const base = `${endpoint(named.registry)}${named.repository}`
  const call = authenticated(named, authFile, patience)
  const answered = new Map<string, { etag: string; digest: string }>()
  const manifest = async (name: string, ctx: Context): Promise<Content> => {
    const answer = await call('pull', request('GET', `${base}/manifests/${name}`, { accept }), ctx)
    if (answer.status === 404) throw notFound(named, name, reasonOf(answer))
    expectStatus(named, answer, 200)
    return checkedContent(named, name, answer)
  }
  return {
    manifest,
    async digest(tag, ctx) {
      const before = answered.get(tag)
      const condition = before === undefined ? {} : { 'if-none-match': before.etag }
      const answer = await call(
        'pull',
        request('HEAD', `${base}/manifests/${tag}`, { accept, ...condition }),
        ctx,
      )
      if (answer.status === 304 && before !== undefined) return before.digest
      if (answer.status === 404) throw notFound(named, tag, reasonOf(answer))
      const said = answer.status === 200 ? answer.headers.get('docker-content-digest') : null
      // Not every registry and proxy knows HEAD.
      const digest = said !== null && digestRule.test(said) ? said : (await manifest(tag, ctx)).digest
      const etag = answer.headers.get('etag')
      if (etag !== null) answered.set(tag, { etag, digest })
      return digest
    },
    async blob(digest, ctx) {
      const answer = await call('pull', request('GET', `${base}/blobs/${digest}`, {}), ctx)
      if (answer.status === 404) throw notFound(named, digest, 'a part of it is gone')
      expectStatus(named, answer, 200)
      checkDigest(named, digest, answer.body)
      return answer.body
    },
    async putManifest(name, mediaType, body, ctx) {
      const put = request('PUT', `${base}/manifests/${name}`, { 'content-type': mediaType }, body)
      expectStatus(named, await call('pull,push', put, ctx), 201)
    },
  }
}

/** Digest of a text or bytes in the form of the OCI specifications: `sha256:…`. */
export function digestOf(content: string | Uint8Array): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`
}

function request(
  method: Request['method'],
  url: string,
  headers: Record<string, string>,
  body?: string,
): Request {
  const bare = { method, url, headers, maxBytes: maxManifestBytes }
  return body === undefined ? bare : { ...bare, body }
}

/** Asks without rights first, as public repositories want it, and answers the challenge when there is one. */
function authenticated(named: Named, authFile: string | undefined, patience: Patience) {
  const authorizations = new Map<Actions, string>()
  let credentials: Promise<Credentials | undefined> | undefined
  return async (actions: Actions, bare: Request, ctx: Context): Promise<Answer> => {
    const attempt = async () => {
      const authorization = authorizations.get(actions)
      const headers = authorization === undefined ? bare.headers : { ...bare.headers, authorization }
      return await send(named.registry, { ...bare, headers }, patience, ctx)
    }
    const first = await attempt()
    if (first.status === 403) throw notAllowed(named, actionName(actions), undefined)
    if (first.status !== 401) return first
    const challenge = parseChallenge(first.headers.get('www-authenticate'))
    credentials ??= findCredentials(named, authFile)
    const known = await credentials
    if (challenge === undefined) throw notAllowed(named, actionName(actions), known?.user)
    authorizations.set(actions, await authorize(named, challenge, actions, known, patience, ctx))
    const second = await attempt()
    if (second.status !== 401 && second.status !== 403) return second
    throw notAllowed(named, actionName(actions), known?.user)
  }
}

function checkedContent(named: Named, name: string, answer: Answer): Content {
  if (name.includes(':')) checkDigest(named, name, answer.body)
  const said = answer.headers.get('docker-content-digest')
  if (said !== null) checkDigest(named, said, answer.body)
  const mediaType = (answer.headers.get('content-type') ?? '').split(';')[0]?.trim() ?? ''
  return { mediaType, digest: digestOf(answer.body), body: answer.body }
}

function checkDigest({ registry, repository }: Named, expected: string, body: Buffer): void {
  const found = digestOf(body)
  if (found === expected) return
  throw badAnswer(registry, `for ${expected} of ${repository} it sends content with the digest ${found}`)
}

function expectStatus({ registry, repository }: Named, answer: Answer, status: number): void {
  if (answer.status === status) return
  throw badAnswer(registry, `${answer.status} for ${repository}: ${reasonOf(answer)}`)
}

function reasonOf(answer: Answer): string {
  try {
    const { errors } = JSON.parse(answer.body.toString('utf8')) as {
      errors?: { code?: string; message?: string }[]
    }
    const text = errors?.map(({ code, message }) => message ?? code).join('; ')
    if (text !== undefined && text !== '') return text.replaceAll(/[^\x20-\x7e]/g, ' ').slice(0, 200)
  } catch {
    // Proxies answer with HTML: the status says enough.
  }
  return `the answer is ${answer.status}`
}
