import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import tls from 'node:tls'
import { parse } from 'yaml'
import { z } from 'zod'
import { FactoryError } from '#src/errors.ts'
import type { FoundCloud } from './credentials.ts'

const scalar = z.union([z.string(), z.number(), z.boolean()]).transform(String)
const section = z.object({
  auth: z.record(z.string(), scalar.nullish()).default({}),
  interface: z.string().optional(),
  endpoint_type: z.string().optional(),
  verify: z.unknown().optional(),
  insecure: z.unknown().optional(),
  cacert: z.string().optional(),
})
const file = z.object({ clouds: z.record(z.string(), section) })

/** A cloud of clouds.yaml with its secrets from secure.yaml; without a name the only one that there is. */
export async function cloudInFile(
  name: string | undefined,
  configured: string | undefined,
  environment: NodeJS.ProcessEnv,
): Promise<FoundCloud> {
  const { path, text } = await firstReadable(placesOf(configured, environment))
  const clouds = read(path, text)
  const names = Object.keys(clouds)
  const chosen = name ?? (names.length === 1 ? names[0] : undefined)
  const cloud = chosen === undefined ? undefined : clouds[chosen]
  if (chosen === undefined || !cloud) throw unknown(path, name, names)
  const secure = await secureBeside(path, environment)
  const secret = secure?.clouds[chosen]
  // Whoever can stand between us and Keystone would get the password.
  if (isOff(cloud.verify) || isOn(cloud.insecure)) throw unverified(path, chosen)
  if (cloud.cacert !== undefined) await trust(resolve(dirname(path), expanded(cloud.cacert)))
  return {
    auth: withoutNulls({ ...cloud.auth, ...secret?.auth }),
    interface: cloud.interface ?? cloud.endpoint_type,
    source: `the cloud ${chosen} of ${path}`,
    files: secure ? [path, secure.path] : [path],
  }
}

/** https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html#configuration-files */
function placesOf(configured: string | undefined, environment: NodeJS.ProcessEnv): string[] {
  if (configured !== undefined) return [expanded(configured)]
  const given = environment['OS_CLIENT_CONFIG_FILE']
  const home = environment['XDG_CONFIG_HOME'] ?? join(homedir(), '.config')
  const directories = [process.cwd(), join(home, 'openstack'), '/etc/openstack']
  const names = ['clouds.yaml', 'clouds.yml']
  const usual = directories.flatMap((directory) => names.map((name) => join(directory, name)))
  return given === undefined || given === '' ? usual : [given, ...usual]
}

async function firstReadable(places: readonly string[]): Promise<{ path: string; text: string }> {
  for (const path of places) {
    try {
      return { path, text: await readFile(path, 'utf8') }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw unreadable(path, error)
    }
  }
  throw new FactoryError({
    code: 'openstack-credentials',
    message: `there are no credentials for OpenStack: no OS_AUTH_URL in the environment, and none of ${places.join(', ')}`,
    hint: 'Download clouds.yaml from the dashboard (API Access, or Application Credentials) to ~/.config/openstack/clouds.yaml, and name its cloud in `cloud` of the configuration.',
    class: 'permission',
  })
}

function read(path: string, text: string): z.infer<typeof file>['clouds'] {
  try {
    return file.parse(parse(text)).clouds
  } catch (error) {
    throw unreadable(path, error)
  }
}

async function secureBeside(
  path: string,
  environment: NodeJS.ProcessEnv,
): Promise<{ path: string; clouds: z.infer<typeof file>['clouds'] } | undefined> {
  const secure = environment['OS_CLIENT_SECURE_FILE'] ?? path.replace(/clouds(\.ya?ml)$/, 'secure$1')
  if (secure === path) return undefined
  const text = await readFile(secure, 'utf8').catch(() => undefined)
  return text === undefined ? undefined : { path: secure, clouds: read(secure, text) }
}

/** For this process, in addition to the authorities that it trusts anyway; fetch takes no others for one call. */
async function trust(path: string): Promise<void> {
  const certificate = await readFile(path, 'utf8').catch((error: unknown) => {
    throw unreadable(path, error)
  })
  const known = tls.getCACertificates('default')
  if (!known.includes(certificate)) tls.setDefaultCACertificates([...known, certificate])
}

function expanded(path: string): string {
  return path.startsWith('~/') ? join(homedir(), path.slice(2)) : path
}

function withoutNulls(words: Record<string, string | null | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(words).flatMap(([key, value]) => (value == null ? [] : [[key, value]])),
  )
}

function isOff(word: unknown): boolean {
  return word !== undefined && /^(false|no|off|0)$/i.test(String(word))
}

function isOn(word: unknown): boolean {
  return word !== undefined && /^(true|yes|on|1)$/i.test(String(word))
}

function unknown(path: string, name: string | undefined, names: readonly string[]): FactoryError {
  const message =
    name === undefined
      ? `${path} has ${names.length} clouds, and nothing says which one is meant`
      : `${path} has no cloud ${name}`
  return new FactoryError({
    code: 'openstack-credentials',
    message,
    hint: `Write one of them as \`cloud\` in the configuration: ${names.join(', ') || 'there are none'}.`,
    class: 'permission',
  })
}

function unverified(path: string, name: string): FactoryError {
  return new FactoryError({
    code: 'openstack-insecure',
    message: `the cloud ${name} of ${path} turns off that certificates are verified, so anybody between here and there could take its password`,
    hint: 'Name the file with the certificate of its authority as `cacert` instead, and remove `verify` or `insecure`.',
    class: 'user',
  })
}

function unreadable(path: string, cause: unknown): FactoryError {
  // Not the text of the failure: a YAML parser shows the line, and that may be the one with the password.
  const code = (cause as NodeJS.ErrnoException).code
  return new FactoryError({
    code: 'openstack-credentials',
    message: `${path} cannot be read as clouds.yaml${typeof code === 'string' ? ` (${code})` : ''}`,
    hint: 'Take it as the dashboard gives it: `clouds:`, a name, and `auth:` below that.',
    class: 'permission',
  })
}
