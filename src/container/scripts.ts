import { quoteCommand } from '#src/builder/quote.ts'
import { FactoryError } from '#src/errors.ts'
import type { ContainerRequest, PushRequest } from './types.ts'

/** Where a booted image finds out which release it is of. */
export const identityFile = '/usr/lib/image-factory/release'

const build = ['podman', 'build', '--pull=never', '--network=host']

/** The user's layers, built from images that are there already: no tag is read from a registry. */
export function layersScript(
  request: ContainerRequest,
  containerfile: string,
  contextDirectory: string,
  tag: string,
): string {
  const args = Object.entries(request.buildArgs).map(([name, value]) => `--build-arg=${name}=${value}`)
  const secrets = Object.entries(request.secrets).map(([id, file]) => `--secret=${secretWord(id, file)}`)
  return `${quoteCommand([...build, '--file', containerfile, '--tag', tag, ...args, ...secrets, contextDirectory])}\n`
}

/**
 * The layer on top that carries what differs in every release, identity and labels, in a build of its own: the cache
 * of the user's layers does not know about it. It is one layer, never cached, so one commit is enough.
 */
export function identityScript(request: ContainerRequest, layersTag: string): string {
  const containerfile = `FROM ${layersTag}\nCOPY release ${identityFile}\n`
  const labels = Object.entries(request.labels).map(([name, value]) => `--label=${name}=${value}`)
  return `(
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
${quoteCommand(['printf', '%s', request.identity])} >"$work/release"
chmod 0644 "$work/release"
${quoteCommand(['printf', '%s', containerfile])} >"$work/Containerfile"
${quoteCommand([...build, '--layers=false', '--tag', request.tag, ...labels])} --file "$work/Containerfile" "$work"
)
`
}

/** Pushes the image and prints the digest of its manifest as the last line: the registry's, after compression. */
export function pushScript(request: PushRequest): string {
  const auth = request.authFile === undefined ? [] : ['--authfile', request.authFile]
  const target = `docker://${request.repository}:${request.remoteTag}`
  const push = quoteCommand(['podman', 'push', ...auth])
  return `(
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
${push} --digestfile "$work/digest" ${quoteCommand([request.tag, target])}
printf '\\n%s\\n' "$(cat "$work/digest")"
)
`
}

/** `--secret` separates its fields with commas and has no way to quote one. */
function secretWord(id: string, file: string): string {
  if (/^[A-Za-z0-9._-]+$/.test(id) && /^\/[^,\n]+$/.test(file)) return `id=${id},src=${file}`
  throw new FactoryError({
    code: 'bad-secret-name',
    message: `build secret ${JSON.stringify(id)} cannot be mounted: a name has only letters, digits and . _ -`,
    hint: 'Rename the secret in the configuration and in RUN --mount=type=secret,id=… of the Containerfile.',
    class: 'user',
  })
}
