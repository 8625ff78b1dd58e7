import { buffer } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { findIdentity } from '#clouds/openstack/credentials.ts'
import { endpointOf } from '#clouds/openstack/catalogue.ts'
import { exchange } from '#clouds/openstack/exchange.ts'
import type { Identity } from '#clouds/openstack/identity.ts'
import { createSession } from '#clouds/openstack/session.ts'
import { testContext } from '#test/contract/cloud.ts'
import { serveOnLoopback } from '#test/servers/loopback.ts'
import { password, type Stack } from '#test/servers/openstack/stack.ts'
import { tokenOf } from '#test/servers/openstack/keystone.ts'
import { impatient, openstackScene } from './openstack-scene.ts'

const scene = openstackScene()
const identity = () => findIdentity(scene.fixture.configure())
const list = { service: 'image', region: 'RegionOne', what: 'looking at images', path: '/images' } as const
const images = z.object({ images: z.array(z.unknown()) })
const logins = () => scene.double.requests.filter(({ path }) => path.endsWith('/auth/tokens'))

test('asks for one token for many calls, also for calls side by side', async () => {
  const session = createSession(identity)
  await Promise.all([1, 2, 3].map(() => session.json(list, images, testContext())))
  await session.json(list, images, testContext())
  expect(logins()).toHaveLength(1)
  expect((await session.token(testContext())).project.name).toBe('factory')
})

test('asks for another token before the one that it has is over', async () => {
  const session = createSession(identity)
  const first = await session.token(testContext())
  const at = (ms: number) => ({ ...testContext(), now: () => Date.now() + ms })
  expect((await session.token(at(57 * 60_000))).value).toBe(first.value)
  expect((await session.token(at(59 * 60_000))).value).not.toBe(first.value)
  expect(logins()).toHaveLength(2)
})

test('asks for another token when Glance does not accept the one that it has any more', async () => {
  const session = createSession(identity)
  const { value } = await session.token(testContext())
  const headers = { 'x-auth-token': value, 'x-subject-token': value }
  const revoked = await fetch(`${scene.stack.keystone.url}/auth/tokens`, { method: 'DELETE', headers })
  expect(revoked.status).toBe(204)
  await session.json(list, images, testContext())
  expect((await session.token(testContext())).value).not.toBe(value)
})

test('works with an application credential, and says when that is over', async () => {
  const { keystone } = scene.stack
  const id = await credentialOf(scene.stack)
  const own: Identity = {
    authUrl: scene.double.authUrl,
    method: { kind: 'application-credential', secret: 'only-for-tests', credential: { id } },
    source: 'a test',
    files: [],
  }
  const session = createSession(() => Promise.resolve(own))
  await session.json(list, images, testContext())
  const token = await session.token(testContext())
  expect(token.project.name).toBe('factory')
  const path = `/users/${token.user.id}/application_credentials/${id}`
  const member = await tokenOf(keystone.url, 'factory', password, 'factory')
  await keystone.call(path, { method: 'DELETE', token: member })
  await expect(createSession(() => Promise.resolve(own)).token(testContext())).rejects.toMatchObject({
    code: 'openstack-credentials',
    class: 'permission',
  })
})

test('says who is not accepted, and never with what', async () => {
  const right = await identity()
  const method = { ...right.method, password: 'wrong-password' } as Identity['method']
  const session = createSession(() => Promise.resolve({ ...right, method }))
  const failure = await session.token(testContext()).catch((error: unknown) => error as Error)
  expect(failure).toMatchObject({
    code: 'openstack-credentials',
    message: expect.stringContaining('the cloud test') as string,
  })
  expect(JSON.stringify(failure) + String((failure as Error).stack)).not.toContain('wrong-password')
  expect(logins(), 'a refusal is not tried again').toHaveLength(1)
})

test('says nothing of what a service quotes of a request: passwords, user-data', async () => {
  await using server = await serveOnLoopback(async (request, answer) => {
    const said = { error: { message: `cannot read ${(await buffer(request)).toString()}`, code: 400 } }
    answer.writeHead(400).end(JSON.stringify(said))
  })
  const own = fake(server.url)
  const method = { ...own.method, password: 'a "secret" of ours' } as Identity['method']
  const session = createSession(() => Promise.resolve({ ...own, method }))
  const failure = await session.token(testContext()).catch((error: unknown) => error as Error)
  expect(failure).toMatchObject({ message: expect.stringContaining('cannot read') as string })
  expect(JSON.stringify(failure) + String(failure)).not.toMatch(/secret/)
  const userData = Buffer.from('#cloud-config with a key\n'.repeat(40)).toString('base64')
  const message = `Invalid input for field/attribute server. Value: {'user_data': '${userData}'}. It is wrong`
  const json = { badRequest: { code: 400, message } }
  scene.double.inject({ service: 'image', effect: { kind: 'refused', isDone: false, status: 400, json } })
  const refused = await createSession(identity)
    .json(list, images, testContext())
    .catch((error: unknown) => error as Error)
  expect((refused as Error).message).toContain("Value: {'user_data': '…'}. It is wrong")
})

test('tries again when a service is out of breath, waits as long as it is asked to, and gives up in the end', async () => {
  const session = createSession(identity)
  const slept: number[] = []
  const ctx = { ...testContext(), sleep: (ms: number) => Promise.resolve(void slept.push(ms)) }
  const busy = {
    kind: 'refused',
    isDone: false,
    status: 429,
    headers: { 'retry-after': '7' },
    json: {},
  } as const
  scene.double.inject({ service: 'image', times: 2, effect: busy })
  await session.json(list, images, ctx)
  expect(slept).toEqual([7000, 7000])
  scene.double.inject({ service: 'image', effect: busy })
  await expect(session.json(list, images, ctx)).rejects.toMatchObject({
    code: 'openstack-throttled',
    class: 'infra',
  })
  expect(slept).toHaveLength(6)
})

test('does not repeat what makes something', async () => {
  const session = createSession(identity)
  const broken = { kind: 'refused', isDone: false, status: 503 } as const
  const fault = scene.double.inject({ service: 'image', method: 'POST', effect: broken })
  const make = { ...list, method: 'POST', json: { name: 'x' } } as const
  await expect(session.send(make, impatient())).rejects.toMatchObject({ code: 'openstack-failed' })
  expect(fault.count).toBe(1)
})

test.each([
  ['no JSON', 201, 'welcome to the proxy'],
  ['other JSON', 201, '{"pictures": []}'],
  ['another success', 200, '{}'],
])('takes %s for no answer of a service', async (_, status, body) => {
  await using server = await serveOnLoopback((_request, answer) => void answer.writeHead(status).end(body))
  const session = createSession(() => Promise.resolve({ ...fake(server.url) }))
  await expect(session.token(impatient())).rejects.toMatchObject({
    code: 'openstack-answer-unreadable',
  })
})

test('follows no redirection, for the token would go with it', async () => {
  let came = 0
  await using other = await serveOnLoopback((_request, answer) => {
    came += 1
    answer.end('{}')
  })
  await using server = await serveOnLoopback(
    (_request, answer) => void answer.writeHead(307, { location: other.url }).end(),
  )
  const session = createSession(() => Promise.resolve(fake(server.url)))
  await expect(session.token(impatient())).rejects.toMatchObject({
    message: expect.stringContaining('it points to') as string,
  })
  expect(came).toBe(0)
})

test('sends nothing without encryption but to this machine itself', async () => {
  const request = { what: 'asking', method: 'GET', url: 'http://192.0.2.1/v3', headers: {}, limitMs: 1000 }
  await expect(exchange(request, testContext())).rejects.toMatchObject({
    code: 'openstack-insecure',
    class: 'user',
  })
})

test('gives up a service that never answers', async () => {
  await using server = await serveOnLoopback(() => {})
  const request = { what: 'asking', method: 'GET', url: server.url, headers: {}, limitMs: 200 }
  await expect(exchange(request, testContext())).rejects.toMatchObject({
    code: 'deadline-passed',
    class: 'timeout',
  })
})

test('finds services by type, interface and region, with their version and by their older names', () => {
  const endpoint = (region_id: string, url: string, which = 'public') => ({
    interface: which,
    region_id,
    url,
  })
  const catalogue = [
    {
      type: 'image',
      endpoints: [endpoint('One', 'https://g:9292'), endpoint('Two', 'https://g2/image/v2/')],
    },
    {
      type: 'volumev3',
      endpoints: [endpoint('One', 'https://c/v3/abc'), endpoint('One', 'https://i/v3/abc', 'internal')],
    },
    { type: 'network', endpoints: [endpoint('One', 'https://n:9696/')] },
    { type: 'compute', endpoints: [endpoint('One', 'https://n/v2.1/')] },
  ]
  const of = (
    ...[service, region, which = 'public']: ['image' | 'volume' | 'network' | 'compute', string, string?]
  ) => endpointOf(catalogue, service, region, which, 'a test')
  expect(of('image', 'One')).toBe('https://g:9292/v2')
  expect(of('image', 'Two')).toBe('https://g2/image/v2')
  expect(of('volume', 'One')).toBe('https://c/v3/abc')
  expect(of('volume', 'One', 'internal')).toBe('https://i/v3/abc')
  expect(of('network', 'One')).toBe('https://n:9696/v2.0')
  expect(of('compute', 'One')).toBe('https://n/v2.1')
  expect(() => of('compute', 'Two')).toThrow('no public address of a service "compute" in Two')
  expect(() => of('compute', 'Three')).toThrow('no region Three; there are: One, Two')
})

async function credentialOf({ keystone }: Stack): Promise<string> {
  const token = await tokenOf(keystone.url, 'factory', password, 'factory')
  const session = createSession(identity)
  const { user } = await session.token(testContext())
  const json = { application_credential: { name: 'factory', secret: 'only-for-tests' } }
  const made = await keystone.call(`/users/${user.id}/application_credentials`, { json, token })
  return (made['application_credential'] as { id: string }).id
}

function fake(authUrl: string): Identity {
  const domain = { id: 'default' }
  const method = {
    kind: 'password',
    user: { name: 'u', domain },
    password: 'p',
    project: { name: 'p', domain },
  } as const
  return { authUrl, method, source: 'a test', files: [] }
}
