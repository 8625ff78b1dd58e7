import { FactoryError } from '#src/errors.ts'
import { cloudInFile } from './clouds-file.ts'
import type { OpenstackConfiguration } from './config.ts'
import { openstackEnvironment } from './environment.ts'
import type { Identity, Named } from './identity.ts'

/** The words of an `auth` section, the same as the OS_* variables without their prefix, in lower case. */
export type AuthWords = Readonly<Record<string, string | undefined>>

export interface FoundCloud {
  auth: AuthWords
  interface?: string | undefined
  source: string
  files: readonly string[]
}

/**
 * The credentials that OpenStack's own tools would use: of the cloud that the configuration or OS_CLOUD names, else the
 * OS_* variables, else of the only cloud in clouds.yaml. Read anew each time, so that what was changed counts.
 */
export async function findIdentity(
  configuration: Pick<OpenstackConfiguration, 'cloud' | 'cloudsFile' | 'interface'>,
  environment: NodeJS.ProcessEnv = openstackEnvironment(),
): Promise<Identity> {
  const name = configuration.cloud ?? environment['OS_CLOUD']
  const found =
    name === undefined && environment['OS_AUTH_URL'] !== undefined
      ? fromEnvironment(environment)
      : await cloudInFile(name, configuration.cloudsFile, environment)
  return {
    authUrl: authUrlOf(found),
    method: methodOf(found),
    interface: configuration.interface ?? interfaceOf(found),
    source: found.source,
    files: found.files,
  }
}

function fromEnvironment(environment: NodeJS.ProcessEnv): FoundCloud {
  const words = Object.entries(environment).filter(([key, value]) => key.startsWith('OS_') && value !== '')
  const auth = Object.fromEntries(words.map(([key, value]) => [key.slice(3).toLowerCase(), value]))
  const source = 'the OS_* variables of the environment'
  return { auth, interface: auth['interface'] ?? auth['endpoint_type'], source, files: [] }
}

function interfaceOf({ interface: written }: FoundCloud): Identity['interface'] {
  const word = written?.replace(/URL$/, '')
  return word === 'public' || word === 'internal' || word === 'admin' ? word : undefined
}

/** Keystone's address without a version is common; there is no other one than v3 any more. */
function authUrlOf({ auth, source }: FoundCloud): string {
  const url = auth['auth_url']?.replace(/\/+$/, '')
  if (url === undefined || !URL.canParse(url)) {
    throw incomplete(source, url === undefined ? 'auth_url is missing' : 'auth_url is no address')
  }
  if (url.endsWith('/v2.0'))
    throw incomplete(source, 'auth_url is for the version 2.0 of Keystone, and only 3 is spoken')
  return url.endsWith('/v3') ? url : `${url}/v3`
}

function methodOf(found: FoundCloud): Identity['method'] {
  const { auth, source } = found
  const { application_credential_secret: secret, password } = auth
  if (secret !== undefined) {
    const { application_credential_id: id, application_credential_name: name } = auth
    if (id !== undefined) return { kind: 'application-credential', secret, credential: { id } }
    if (name === undefined) throw incomplete(source, 'application_credential_id is missing')
    const user = named(found, 'user', 'username')
    return { kind: 'application-credential', secret, credential: { name, user } }
  }
  if (password === undefined)
    throw incomplete(source, 'neither password nor application_credential_secret is there')
  const project = named(found, 'project', 'project_name')
  return { kind: 'password', user: named(found, 'user', 'username'), password, project }
}

/** By id, or by name with its domain; the domain of a project may stand for that of the user and the other way round. */
function named({ auth, source }: FoundCloud, what: 'user' | 'project', nameWord: string): Named {
  const id = auth[`${what}_id`] ?? (what === 'project' ? auth['tenant_id'] : undefined)
  if (id !== undefined) return { id }
  const name = auth[nameWord] ?? (what === 'project' ? auth['tenant_name'] : undefined)
  if (name === undefined) throw incomplete(source, `${nameWord} is missing`)
  const domainId = auth[`${what}_domain_id`] ?? auth['default_domain_id'] ?? auth['default_domain']
  const domainName = auth[`${what}_domain_name`] ?? auth['domain_name']
  if (auth[`${what}_domain_name`] !== undefined) return { name, domain: { name: domainName! } }
  if (domainId !== undefined) return { name, domain: { id: domainId } }
  if (domainName !== undefined) return { name, domain: { name: domainName } }
  throw incomplete(source, `${what}_domain_name is missing: a name alone says nothing`)
}

function incomplete(source: string, why: string): FactoryError {
  return new FactoryError({
    code: 'openstack-credentials',
    message: `the credentials in ${source} are not complete: ${why}`,
    hint: 'Take clouds.yaml as the dashboard gives it (API Access, or Application Credentials, Download clouds.yaml); docs/clouds/openstack.md shows one.',
    class: 'permission',
  })
}
