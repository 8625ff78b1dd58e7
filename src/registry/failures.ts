import { FactoryError } from '#src/errors.ts'
import { endpoint } from './endpoint.ts'
import type { Reference } from './reference.ts'

type Named = Pick<Reference, 'registry' | 'repository'>

/**
 * Nothing answers, or only trouble does; trying again later may help. `retryAfterMs` is what the registry asked for; it is
 * in the error's context.
 */
export function unreachable(
  registry: string,
  what: string,
  cause?: unknown,
  retryAfterMs?: number,
): FactoryError {
  const tls = /certificate|self.signed|TLS|SSL|EPROTO|wrong version number/i.test(what)
  return new FactoryError({
    code: 'registry-unreachable',
    class: 'infra',
    message: `the registry ${registry} cannot be reached: ${what}`,
    hint: tls
      ? 'Registries are spoken to over https, except on the loopback address. For a private certificate authority set NODE_EXTRA_CA_CERTS=FILE.'
      : `Try: curl -sS ${endpoint(registry)}`,
    cause,
    context: { registry, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
  })
}

/** The registry wants to know who asks, or does not allow it. */
export function notAllowed(named: Named, action: string, who: string | undefined): FactoryError {
  const { registry, repository } = named
  const asked = who === undefined ? 'without credentials' : `as ${who}`
  return new FactoryError({
    code: 'registry-auth',
    class: 'permission',
    message: `the registry ${registry} does not allow to ${action} ${repository} ${asked}`,
    hint: `Log in with "podman login ${registry}" (or name a file in image.authFile). Many registries answer the same for a repository that does not exist: check its name.`,
    context: { registry, repository },
  })
}

/** The registry answers, but not what the protocol promises. */
export function badAnswer(registry: string, what: string): FactoryError {
  return new FactoryError({
    code: 'registry-bad-answer',
    class: 'infra',
    message: `the registry ${registry} gave an answer that cannot be used: ${what}`,
    hint: 'If it stays so, something between here and the registry changes its answers: a proxy, a portal, a full disk.',
    context: { registry },
  })
}

/** The registry is there, the image is not. */
export function notFound(named: Named, name: string, reason: string): FactoryError {
  const { registry, repository } = named
  const isDigest = name.includes(':')
  const repositoryUrl = `docker://${registry}/${repository}`
  return new FactoryError({
    code: 'image-not-found',
    class: 'user',
    message: `there is no image ${registry}/${repository}${isDigest ? '@' : ':'}${name}: ${reason}`,
    hint: isDigest
      ? `The digest is gone or never was there; take a tag, or pin again: skopeo inspect --raw ${repositoryUrl}:TAG | sha256sum`
      : `See what there is: skopeo list-tags ${repositoryUrl}`,
    context: { registry, repository, name },
  })
}
