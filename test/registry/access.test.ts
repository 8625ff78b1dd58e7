import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseChallenge } from '#src/registry/access.ts'
import { registryClient } from '#src/registry/client.ts'
import { findCredentials } from '#src/registry/credentials.ts'
import { makeWorkspace } from '#test/config/workspace.ts'
import { startRegistry } from '#test/servers/registry.ts'
import type { RegistryServer } from '#test/servers/registry.ts'
import { testContext } from './context.ts'
import { pushImage, pushIndex } from './images.ts'
import { startGuard, startHttp } from './servers.ts'

const reader = { user: 'reader', password: 'pass:word', actions: 'pull' }
const writer = { user: 'writer', password: 'geheim', actions: 'pull,push' }
const base64 = ({ user, password }: { user: string; password: string }) =>
  Buffer.from(`${user}:${password}`).toString('base64')
const auths = (entries: Record<string, { user: string; password: string }>) =>
  JSON.stringify({
    auths: Object.fromEntries(
      Object.entries(entries).map(([key, account]) => [key, { auth: base64(account) }]),
    ),
  })

describe('a registry that wants to know who asks', () => {
  let registry: RegistryServer
  let digest: string
  beforeAll(async () => {
    registry = await startRegistry()
    digest = await pushIndex(registry.host, 'team/base', '1', ['x86_64'])
  })
  afterAll(() => registry[Symbol.asyncDispose]())

  it('gets a token from its realm with the credentials of the auth file', async () => {
    await using guard = await startGuard(registry.host, [reader])
    await using workspace = await makeWorkspace({ 'auth.json': auths({ [guard.host]: reader }) })
    const client = registryClient({ authFile: `${workspace.directory}/auth.json` })
    await expect(client.resolve(`${guard.host}/team/base:1`, testContext())).resolves.toMatchObject({
      digest,
    })
    await client.resolve(`${guard.host}/team/base:1`, testContext())
    expect(guard.requests.filter((request) => request.startsWith('GET /token'))).toEqual([
      'GET /token?service=guard&scope=repository%3Ateam%2Fbase%3Apull',
    ])
  })

  it('gets a new token when the old one has run out', async () => {
    await using guard = await startGuard(registry.host, [reader], 1)
    await using workspace = await makeWorkspace({ 'auth.json': auths({ [guard.host]: reader }) })
    const client = registryClient({ authFile: `${workspace.directory}/auth.json` })
    for (const _ of [1, 2, 3]) await client.resolve(`${guard.host}/team/base:1`, testContext())
    expect(guard.requests.filter((request) => request.startsWith('GET /token'))).toHaveLength(3)
  })

  it('says who was refused and what to do, without the password', async () => {
    await using guard = await startGuard(registry.host, [reader])
    await using workspace = await makeWorkspace({
      'auth.json': auths({ [guard.host]: { user: 'reader', password: 'wrong-secret' } }),
      'empty.json': '{}',
    })
    const failing = (file: string) =>
      registryClient({ authFile: `${workspace.directory}/${file}` }).resolve(
        `${guard.host}/team/base:1`,
        testContext(),
      )
    await expect(failing('empty.json')).rejects.toMatchObject({
      code: 'registry-auth',
      class: 'permission',
      message: `the registry ${guard.host} does not allow to pull from team/base without credentials`,
    })
    const error = (await failing('auth.json').catch((caught: unknown) => caught)) as Error
    expect(error).toMatchObject({
      message: `the registry ${guard.host} does not allow to pull from team/base as reader`,
      hint: expect.stringContaining(`podman login ${guard.host}`) as string,
    })
    expect(JSON.stringify({ ...error, message: error.message, stack: error.stack })).not.toContain(
      'wrong-secret',
    )
  })

  it('asks for the right to push only when it pushes, and says so when it has none', async () => {
    await using guard = await startGuard(registry.host, [reader, writer])
    await using workspace = await makeWorkspace({
      'reader.json': auths({ [guard.host]: reader }),
      'writer.json': auths({ [guard.host]: writer }),
    })
    const entries = [
      { arch: 'x86_64' as const, digest: await pushImage(registry.host, 'team/base', 'x86_64') },
    ]
    const request = { repository: `${guard.host}/team/base`, tag: 'new', entries }
    const write = (file: string) =>
      registryClient({ authFile: `${workspace.directory}/${file}` }).writeIndex(request, testContext())
    await expect(write('reader.json')).rejects.toMatchObject({
      code: 'registry-auth',
      message: `the registry ${guard.host} does not allow to push to team/base as reader`,
    })
    await expect(write('writer.json')).resolves.toMatchObject({ reference: `${guard.host}/team/base:new` })
  })

  it('sends basic credentials where they are asked for', async () => {
    await using server = await startHttp((request, response) => {
      if (request.headers.authorization === `Basic ${base64(reader)}`) response.writeHead(404).end()
      else response.writeHead(401, { 'www-authenticate': 'Basic realm="registry"' }).end()
    })
    await using workspace = await makeWorkspace({ 'auth.json': auths({ [server.host]: reader }) })
    const client = registryClient({ authFile: `${workspace.directory}/auth.json` })
    await expect(client.resolve(`${server.host}/a:1`, testContext())).rejects.toMatchObject({
      code: 'image-not-found',
    })
  })

  it('never sends credentials to a realm that is not encrypted', async () => {
    await using server = await startHttp((_request, response) => {
      response.writeHead(401, { 'www-authenticate': 'Bearer realm="http://tokens.example.com/token"' }).end()
    })
    await using workspace = await makeWorkspace({ 'auth.json': auths({ [server.host]: reader }) })
    const client = registryClient({ authFile: `${workspace.directory}/auth.json` })
    await expect(client.resolve(`${server.host}/a:1`, testContext())).rejects.toMatchObject({
      code: 'registry-bad-answer',
      message: expect.stringContaining('it sends credentials to http://tokens.example.com') as string,
    })
  })
})

describe('credentials', () => {
  const find = async (entries: Parameters<typeof auths>[0], registry: string, repository: string) => {
    await using workspace = await makeWorkspace({ 'auth.json': auths(entries) })
    return await findCredentials({ registry, repository }, `${workspace.directory}/auth.json`)
  }
  const named = (user: string) => ({ user, password: 'x:y' })

  it('are those of the longest matching name', async () => {
    const entries = {
      'quay.io': named('host'),
      'quay.io/team': named('team'),
      'quay.io/team/image': named('image'),
      'quay.io/tea': named('other'),
    }
    expect(await find(entries, 'quay.io', 'team/image')).toEqual(named('image'))
    expect(await find(entries, 'quay.io', 'team/two')).toEqual(named('team'))
    expect(await find(entries, 'quay.io', 'elsewhere/x')).toEqual(named('host'))
    expect(await find(entries, 'ghcr.io', 'team/image')).toBeUndefined()
  })

  it('are found under the names that docker writes', async () => {
    const entries = { 'https://index.docker.io/v1/': named('hub'), 'https://example.com/v2/': named('own') }
    expect(await find(entries, 'docker.io', 'library/debian')).toEqual(named('hub'))
    expect(await find(entries, 'example.com', 'a')).toEqual(named('own'))
  })

  it('are looked for where podman and docker keep them', async () => {
    await using home = await makeWorkspace({
      'run/containers/auth.json': auths({ 'one.example': named('runtime') }),
      '.config/containers/auth.json': auths({
        'one.example': named('config'),
        'two.example': named('config'),
      }),
      '.docker/config.json': auths({ 'three.example': named('docker') }),
    })
    const environment = { HOME: home.directory, XDG_RUNTIME_DIR: `${home.directory}/run` }
    const user = async (registry: string) =>
      (await findCredentials({ registry, repository: 'a' }, undefined, environment))?.user
    const asked = ['one.example', 'two.example', 'three.example', 'four.example']
    expect(await Promise.all(asked.map(user))).toEqual(['runtime', 'config', 'docker', undefined])
  })

  it('are refused with the name of the file when it is broken or, if it was named, not there', async () => {
    await using workspace = await makeWorkspace({
      'broken.json': '{',
      'odd.json': '{"auths":{"a":{"auth":"eA=="}}}',
    })
    for (const name of ['broken.json', 'odd.json', 'none.json']) {
      const file = `${workspace.directory}/${name}`
      await expect(findCredentials({ registry: 'a', repository: 'b' }, file)).rejects.toMatchObject({
        code: 'auth-file-invalid',
        message: expect.stringContaining(file) as string,
      })
    }
  })
})

describe('a challenge', () => {
  it('is read with commas inside its quotes', () => {
    const header = 'Bearer realm="https://a/t?x=1,2",service="s",scope="repository:a:pull,push"'
    expect(parseChallenge(header)).toEqual({
      scheme: 'bearer',
      parameters: { realm: 'https://a/t?x=1,2', service: 's', scope: 'repository:a:pull,push' },
    })
    expect(parseChallenge(null)).toBeUndefined()
  })
})
