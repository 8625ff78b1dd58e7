import { readFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import type { ArchitectureName } from '#arch/index.ts'
import { sendContext } from '#src/builder/send-context.ts'
import type { Builder } from '#src/builder/types.ts'
import type { ContainerRequest } from '#src/container/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { credentialsFor } from '#src/registry/credentials.ts'
import type { ReleaseInputs } from './inputs.ts'
import { jobLogDirectory } from './job-log-directory.ts'
import type { ReleaseScope } from './scope.ts'

/** Where a build's files lie on the builder: sources on the data volume, secrets in memory. */
const contextDirectory = (digest: string) => `/var/lib/factory/work/context-${digest}`
const containerfile = '/var/lib/factory/work/Containerfile'
const secretsDirectory = '/run/factory/secrets'
/** Where podman looks for root's credentials by itself (containers-auth.json(5)); in memory as well. */
const authFile = '/run/containers/0/auth.json'

/**
 * The local name of the container image. The disk builder writes it into the image as the origin that
 * `bootc upgrade` follows, so it is where the index goes when there is one.
 */
export function originTag(scope: Pick<ReleaseScope, 'configuration'>): string {
  const { name, push } = scope.configuration.image
  return push === undefined ? `localhost/${name}:latest` : `${push}:latest`
}

/**
 * Brings the build context, the Containerfile and the secrets onto the builder. Harmless under a build that reads them:
 * a context that is there is left alone, and the files are replaced by the same ones in one step.
 */
export async function sendSources(
  scope: Pick<ReleaseScope, 'configuration'>,
  inputs: ReleaseInputs,
  builder: Builder,
  ctx: Context,
): Promise<void> {
  const { source } = scope.configuration.image
  await builder.exec(['install', '-d', '-m', '0700', secretsDirectory])
  await sendCredentials(scope, inputs, builder)
  if (source.kind !== 'containerfile' || !inputs.context) return
  await sendContext(builder, source.context, inputs.context, contextDirectory(inputs.context.digest), ctx)
  await builder.writeFile(containerfile, inputs.containerfileText ?? '')
  for (const [id, file] of Object.entries(source.secrets)) {
    await builder.writeFile(`${secretsDirectory}/${id}`, await readSecret(id, file))
  }
}

/** What the container builder is asked for; the same on every architecture but for the names. */
export function containerRequest(
  scope: Pick<ReleaseScope, 'configuration' | 'stateDirectory' | 'release' | 'now'>,
  inputs: ReleaseInputs,
  build: { arch: ArchitectureName; jobId: string; identity: string },
): ContainerRequest {
  const { source, name } = scope.configuration.image
  const common = {
    ...build,
    bases: inputs.bases,
    tag: originTag(scope),
    labels: labelsOf(scope, inputs, name),
    logDirectory: jobLogDirectory(scope.stateDirectory, scope.release, build.arch),
    limitMs: scope.configuration.limits.build,
  }
  if (source.kind === 'ref') {
    if (!inputs.existing) throw incomplete(source.ref)
    return { ...common, buildArgs: {}, secrets: {}, existing: inputs.existing }
  }
  const secrets = Object.keys(source.secrets).map((id) => [id, `${secretsDirectory}/${id}`] as const)
  return {
    ...common,
    ...(inputs.context === undefined ? {} : { contextDirectory: contextDirectory(inputs.context.digest) }),
    containerfile,
    buildArgs: source.buildArgs,
    secrets: Object.fromEntries(secrets),
  }
}

/** Of all credentials only those of the repositories that this build reads or pushes to reach the builder. */
async function sendCredentials(
  scope: Pick<ReleaseScope, 'configuration'>,
  inputs: ReleaseInputs,
  builder: Builder,
): Promise<void> {
  const { push } = scope.configuration.image
  const images = [...inputs.bases, inputs.existing, inputs.diskBuilders[builder.ref.arch]].flatMap((image) =>
    image === undefined ? [] : [image.reference],
  )
  const auths = await credentialsFor(
    push === undefined ? images : [...images, push],
    scope.configuration.image.authFile,
  )
  if (Object.keys(auths).length === 0) return
  await builder.exec(['install', '-d', '-m', '0700', dirname(authFile)])
  await builder.writeFile(authFile, JSON.stringify({ auths }))
}

/** https://github.com/opencontainers/image-spec/blob/main/annotations.md */
function labelsOf(
  scope: Pick<ReleaseScope, 'release' | 'now'>,
  inputs: ReleaseInputs,
  title: string,
): Record<string, string> {
  const labels: Record<string, string> = {
    'org.opencontainers.image.created': new Date(scope.now()).toISOString(),
    'org.opencontainers.image.title': title,
    'org.opencontainers.image.version': scope.release,
  }
  if (inputs.git?.commit !== undefined) labels['org.opencontainers.image.revision'] = inputs.git.commit
  if (inputs.git?.remote !== undefined) labels['org.opencontainers.image.source'] = inputs.git.remote
  return labels
}

async function readSecret(id: string, file: string): Promise<Buffer> {
  return await readFile(file).catch((cause: unknown) => {
    throw new FactoryError({
      code: 'secret-unreadable',
      message: `the secret ${id} cannot be read from ${basename(file)}`,
      hint: `Look at image.secrets.${id} in the configuration: ls -l ${file}`,
      class: 'user',
      cause,
    })
  })
}

function incomplete(ref: string): FactoryError {
  return new FactoryError({
    code: 'inputs-incomplete',
    message: `${ref} was not resolved to a digest before the build`,
    class: 'bug',
  })
}
