import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { FactoryError } from '#src/errors.ts'
import { parseReference, type Reference } from './reference.ts'

export interface Credentials {
  user: string
  password: string
}

type Named = Pick<Reference, 'registry' | 'repository'>

const authFile = z.object({
  auths: z.record(z.string(), z.object({ auth: z.string().optional() })).optional(),
})

/**
 * Finds user and password for a repository in the given file, or in the files that podman looks at. The longest key wins:
 * `quay.io/team/image`, then `quay.io/team`, then `quay.io` (containers-auth.json(5)). Undefined when nobody has any.
 */
export async function findCredentials(
  named: Named,
  file: string | undefined,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Credentials | undefined> {
  for (const candidate of file === undefined ? usualFiles(environment) : [file]) {
    const entries = await readAuthFile(candidate, file !== undefined)
    const key = keysFor(named).find((name) => entries.has(name))
    const auth = key === undefined ? undefined : entries.get(key)
    if (auth !== undefined) return decode(auth, candidate)
  }
  return undefined
}

/**
 * The credentials for these images and repositories and for nothing else, in the form of containers-auth.json(5):
 * repository → base64 of `user:password`.
 */
export async function credentialsFor(
  references: readonly string[],
  file: string | undefined,
): Promise<Record<string, { auth: string }>> {
  const auths: Record<string, { auth: string }> = {}
  for (const text of references) {
    const named = parseReference(text)
    if ('problem' in named) continue
    const found = await findCredentials(named, file)
    if (found === undefined) continue
    const auth = Buffer.from(`${found.user}:${found.password}`).toString('base64')
    auths[`${named.registry}/${named.repository}`] = { auth }
  }
  return auths
}

function usualFiles(environment: NodeJS.ProcessEnv): string[] {
  const given = environment['REGISTRY_AUTH_FILE']
  const runtime = environment['XDG_RUNTIME_DIR']
  const home = environment['HOME'] ?? homedir()
  const configuration = environment['XDG_CONFIG_HOME'] ?? join(home, '.config')
  return [
    ...(given === undefined ? [] : [given]),
    runtime === undefined
      ? `/run/containers/${process.getuid?.() ?? 0}/auth.json`
      : join(runtime, 'containers/auth.json'),
    join(configuration, 'containers/auth.json'),
    join(home, '.docker/config.json'),
  ]
}

async function readAuthFile(file: string, mustExist: boolean): Promise<Map<string, string>> {
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (!mustExist) return '{}'
    throw unreadable(file, cause.message)
  })
  const parsed = authFile.safeParse(parseJson(text))
  if (!parsed.success) throw unreadable(file, 'it is no JSON file with "auths"')
  const entries = Object.entries(parsed.data.auths ?? {})
  return new Map(
    entries.flatMap(([key, { auth }]) => (auth === undefined || auth === '' ? [] : [[plainKey(key), auth]])),
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Docker writes `https://index.docker.io/v1/`, podman writes `docker.io`. */
function plainKey(key: string): string {
  const plain = key.replace(/^https?:\/\//, '').replace(/\/(v[12]\/?)?$/, '')
  return plain === 'index.docker.io' || plain === 'registry-1.docker.io' ? 'docker.io' : plain
}

function keysFor({ registry, repository }: Named): string[] {
  const parts = repository.split('/')
  return [...parts.map((_, index) => [registry, ...parts.slice(0, parts.length - index)].join('/')), registry]
}

function decode(auth: string, file: string): Credentials {
  const text = Buffer.from(auth, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon === -1) throw unreadable(file, 'an "auth" in it is not base64 of user:password')
  return { user: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, '') }
}

function unreadable(file: string, why: string): FactoryError {
  return new FactoryError({
    code: 'auth-file-invalid',
    class: 'user',
    message: `the registry credentials ${file} cannot be used: ${why}`,
    hint: 'Write it again with: podman login --authfile FILE REGISTRY',
  })
}
