/** A parsed image reference; `registry` and `repository` are complete, whatever was left out in the text. */
export interface Reference {
  /** As it was written. */
  readonly text: string
  /** Host with port, as people write it: `docker.io`, `localhost:5055`, `[::1]:5000`. */
  readonly registry: string
  readonly repository: string
  readonly tag?: string
  /** `sha256:…` */
  readonly digest?: string
}

const label = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?'
const host = new RegExp(String.raw`^(?:${label}(?:\.${label})*|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$`)
const component = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const tagRule = /^\w[\w.-]{0,127}$/
const digestRule = /^sha256:[0-9a-f]{64}$/
const shellCharacter = /[\s$`"'\\;&|<>(){}*?!#~^%,=]/
const transportRule =
  /^([a-z-]+):\/\/|^(oci|oci-archive|dir|docker-archive|containers-storage|docker-daemon):/

/**
 * Reads `[registry/]repository[:tag][@digest]` by the grammar of the distribution project, or says in a phrase what is
 * wrong with it. What has no registry is on docker.io, as everywhere else.
 */
export function parseReference(text: string): Reference | { problem: string } {
  const wrong = shellCharacter.exec(text)
  if (wrong) return { problem: `has the character ${JSON.stringify(wrong[0])}, which no image reference has` }
  const transport = transportRule.exec(text)
  if (transport) {
    return { problem: `starts with "${transport[0]}": write the reference without a transport` }
  }

  const [name = '', digest, ...more] = text.split('@')
  if (more.length > 0) return { problem: 'has more than one "@"' }
  if (digest !== undefined && !digestRule.test(digest)) {
    return { problem: `has the digest "${digest}", which is not sha256: and 64 hexadecimal digits` }
  }
  const tagStart = name.indexOf(':', name.lastIndexOf('/') + 1)
  const tag = tagStart === -1 ? undefined : name.slice(tagStart + 1)
  if (tag !== undefined && !tagRule.test(tag)) return { problem: `has the tag "${tag}", which is none` }

  const { registry, repository } = withDefaults(tagStart === -1 ? name : name.slice(0, tagStart))
  if (!host.test(registry)) return { problem: `has the registry "${registry}", which is no host name` }
  if (repository.length > 255) return { problem: 'is longer than 255 characters' }
  const bad = repository.split('/').find((part) => !component.test(part))
  if (bad !== undefined) return { problem: partProblem(bad) }
  return {
    text,
    registry,
    repository,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  }
}

/** What is wrong with the text as an image reference, as a whole sentence; undefined when it is one. */
export function referenceProblem(text: string): string | undefined {
  const parsed = parseReference(text)
  return 'problem' in parsed ? `the image reference ${JSON.stringify(text)} ${parsed.problem}` : undefined
}

/** The same for a repository, which has neither tag nor digest. */
export function repositoryProblem(text: string): string | undefined {
  const parsed = parseReference(text)
  if ('problem' in parsed) return `the repository ${JSON.stringify(text)} ${parsed.problem}`
  if (parsed.tag === undefined && parsed.digest === undefined) return undefined
  return `the repository ${JSON.stringify(text)} has a tag or digest: leave it out, every release writes its own tag`
}

/** `registry/repository`, complete: what a tag or digest is put behind. */
export function repositoryName(reference: Reference): string {
  return `${reference.registry}/${reference.repository}`
}

/** The complete reference by digest, the only form that cannot move: `quay.io/fedora/fedora-bootc@sha256:…`. */
export function byDigest(reference: Reference, digest: string): string {
  return `${repositoryName(reference)}@${digest}`
}

function withDefaults(name: string): { registry: string; repository: string } {
  const slash = name.indexOf('/')
  const first = slash === -1 ? '' : name.slice(0, slash)
  if (/[.:[]|^localhost$/.test(first)) return { registry: first, repository: name.slice(slash + 1) }
  return { registry: 'docker.io', repository: slash === -1 ? `library/${name}` : name }
}

function partProblem(part: string): string {
  if (part === '') return 'has an empty part in its name'
  if (/[A-Z]/.test(part)) return `has upper-case letters in "${part}": repositories are lower-case`
  return `has the part "${part}": only lower-case letters and digits are allowed, joined by ".", "_", "__" or dashes`
}
