import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findIdentity } from '#clouds/openstack/credentials.ts'
import { openstackEnvironment } from '#clouds/openstack/environment.ts'
import { authenticationRequest } from '#clouds/openstack/identity.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'factory-clouds-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

const domains = { user_domain_name: 'Default', project_domain_name: 'Default' }
const user = {
  auth_url: 'https://keystone.example.org:5000',
  username: 'u',
  password: 'p4ssw0rd',
  project_name: 'p',
}

async function written(name: string, content: unknown): Promise<string> {
  const path = join(directory, name)
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

async function identityIn(auth: object, more: object = {}, cloud: string | undefined = 'one') {
  const file = await written('clouds.yaml', { clouds: { one: { auth, ...more } } })
  return await findIdentity({ cloud, cloudsFile: file }, {})
}

describe('a cloud of clouds.yaml', () => {
  test('with a password asks for a token of one project, by names with their domains', async () => {
    const identity = await identityIn({ ...user, ...domains }, { interface: 'internal' })
    expect(identity).toMatchObject({ authUrl: 'https://keystone.example.org:5000/v3', interface: 'internal' })
    expect(authenticationRequest(identity)).toEqual({
      auth: {
        identity: {
          methods: ['password'],
          password: { user: { name: 'u', domain: { name: 'Default' }, password: 'p4ssw0rd' } },
        },
        scope: { project: { name: 'p', domain: { name: 'Default' } } },
      },
    })
  })

  test('with an application credential asks for no scope, which is in it', async () => {
    const auth = {
      auth_url: 'https://k.example.org/identity/v3/',
      application_credential_id: 'i',
      application_credential_secret: 's',
    }
    const identity = await identityIn(auth)
    expect(identity.authUrl).toBe('https://k.example.org/identity/v3')
    expect(authenticationRequest(identity)).toEqual({
      auth: {
        identity: { methods: ['application_credential'], application_credential: { id: 'i', secret: 's' } },
      },
    })
  })

  test('by the name of an application credential says whose it is', async () => {
    const auth = {
      auth_url: 'https://k.example.org',
      application_credential_name: 'n',
      application_credential_secret: 's',
    }
    const identity = await identityIn({ ...auth, username: 'u', user_domain_id: 'default' })
    expect(authenticationRequest(identity)).toMatchObject({
      auth: {
        identity: { application_credential: { name: 'n', user: { name: 'u', domain: { id: 'default' } } } },
      },
    })
  })

  test('takes ids, which need no domain, and numbers for what they look like', async () => {
    const auth = { auth_url: 'https://k.example.org', user_id: 12345, password: 67890, project_id: 'abc' }
    expect(authenticationRequest(await identityIn(auth))).toMatchObject({
      auth: {
        identity: { password: { user: { id: '12345', password: '67890' } } },
        scope: { project: { id: 'abc' } },
      },
    })
  })

  test('may have its secrets in a secure.yaml beside it', async () => {
    const { password, ...others } = user
    await written('secure.yaml', { clouds: { one: { auth: { password } } } })
    const identity = await identityIn({ ...others, ...domains })
    expect(identity.method).toMatchObject({ password })
    expect(identity.files).toHaveLength(2)
    await rm(join(directory, 'secure.yaml'))
  })

  test.each([
    ['a user without its domain', { ...user, project_domain_name: 'Default' }, 'user_domain_name'],
    ['a project without its domain', { ...user, user_domain_name: 'Default' }, 'project_domain_name'],
    ['no password', { ...user, ...domains, password: undefined }, 'neither password nor'],
    ['no user', { ...user, ...domains, username: undefined }, 'username is missing'],
    ['no address', { ...user, ...domains, auth_url: undefined }, 'auth_url is missing'],
    ['what is no address', { ...user, ...domains, auth_url: 'keystone' }, 'auth_url is no address'],
    ['Keystone 2', { ...user, ...domains, auth_url: 'https://k/v2.0' }, 'version 2.0'],
  ])('with %s is refused with what is missing, and without its secrets', async (_, auth, why) => {
    const failure = await identityIn(auth).catch((error: unknown) => error as Error)
    expect(failure).toMatchObject({ code: 'openstack-credentials', class: 'permission' })
    expect((failure as Error).message).toContain(why)
    expect(JSON.stringify(failure) + String(failure)).not.toContain('p4ssw0rd')
  })

  test.each([
    ['verify', { verify: false }],
    ['verify in words', { verify: 'no' }],
    ['insecure', { insecure: true }],
  ])('that turns off verification is refused: %s', async (_, more) => {
    await expect(identityIn({ ...user, ...domains }, more)).rejects.toMatchObject({
      code: 'openstack-insecure',
    })
    expect(await identityIn({ ...user, ...domains }, { verify: true })).toBeDefined()
  })

  test('that cannot be read is told without the line that may hold the password', async () => {
    const file = await written('broken.yaml', 'clouds:\n  one:\n    auth: { password: p4ssw0rd, : [\n')
    const failure = await findIdentity({ cloud: 'one', cloudsFile: file }, {}).catch(
      (error: unknown) => error as Error,
    )
    expect(failure).toMatchObject({ code: 'openstack-credentials' })
    expect(String(failure)).toContain('broken.yaml')
    expect(String(failure)).not.toContain('p4ssw0rd')
  })

  test('that is not there is told with those that are', async () => {
    await expect(identityIn(user, {}, 'two')).rejects.toMatchObject({
      message: expect.stringContaining('has no cloud two') as string,
      hint: expect.stringContaining('one') as string,
    })
  })
})

describe('without a cloud in the configuration', () => {
  const environment = {
    OS_AUTH_URL: 'https://k.example.org/v3',
    OS_USERNAME: 'u',
    OS_PASSWORD: 'p4ssw0rd',
    OS_PROJECT_NAME: 'p',
    OS_USER_DOMAIN_NAME: 'Default',
    OS_PROJECT_DOMAIN_ID: 'default',
    OS_INTERFACE: 'internal',
  }

  test('the variables of an openrc file serve', async () => {
    const identity = await findIdentity({}, environment)
    expect(identity).toMatchObject({
      interface: 'internal',
      source: 'the OS_* variables of the environment',
      files: [],
    })
    expect(authenticationRequest(identity)).toMatchObject({
      auth: {
        identity: { password: { user: { name: 'u', domain: { name: 'Default' } } } },
        scope: { project: { name: 'p', domain: { id: 'default' } } },
      },
    })
    expect((await findIdentity({ interface: 'admin' }, environment)).interface).toBe('admin')
  })

  test('OS_CLOUD names one of the file in OS_CLIENT_CONFIG_FILE, and wins over the variables', async () => {
    const file = await written('given.yaml', {
      clouds: { a: { auth: { ...user, ...domains } }, b: { auth: { ...user, ...domains, username: 'b' } } },
    })
    const set = { ...environment, OS_CLIENT_CONFIG_FILE: file, OS_CLOUD: 'b' }
    expect((await findIdentity({}, set)).method).toMatchObject({ user: { name: 'b' } })
    const { OS_AUTH_URL: _, ...without } = { ...environment, OS_CLIENT_CONFIG_FILE: file }
    await expect(findIdentity({}, without)).rejects.toMatchObject({
      message: expect.stringContaining('2 clouds') as string,
      hint: expect.stringContaining('a, b') as string,
    })
  })

  test('what opens something is not handed on to what this process starts', async () => {
    const own: NodeJS.ProcessEnv = { ...environment }
    const seen = openstackEnvironment(own)
    expect((await findIdentity({}, seen)).method).toMatchObject({ password: 'p4ssw0rd' })
    expect(JSON.stringify(own)).not.toContain('p4ssw0rd')
    expect(openstackEnvironment(own)['OS_PASSWORD'], 'also for the next one').toBe('p4ssw0rd')
  })

  test('nothing at all is told with where it was looked for', async () => {
    const nowhere = { XDG_CONFIG_HOME: directory, OS_CLIENT_CONFIG_FILE: join(directory, 'none.yaml') }
    await expect(findIdentity({}, nowhere)).rejects.toMatchObject({
      code: 'openstack-credentials',
      message: expect.stringContaining('none.yaml') as string,
    })
  })
})
