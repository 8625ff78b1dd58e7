import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { startHttpReceiver } from '#test/servers/http-receiver.ts'
import { hostile, makeScene, notice } from './scene.ts'

test('posts a notice as JSON, signed over the bytes that were sent', async () => {
  await using server = await startHttpReceiver(() => ({ status: 204 }))
  const told = { kind: 'webhook', urlFile: 'url', secretFile: 'secret' } as const
  await using scene = await makeScene([told], { url: `${server.origin}/hook?k=1\n`, secret: 'gehëim\n' })
  scene.notifier.tell(notice({ text: hostile }))
  await scene.notifier.settled()

  expect(server.requests).toHaveLength(1)
  const { method, path, headers, body } = server.requests[0]!
  expect({ method, path }).toEqual({ method: 'POST', path: '/hook?k=1' })
  const hmac = createHmac('sha256', 'gehëim').update(Buffer.from(body)).digest('hex')
  expect(headers).toMatchObject({
    'content-type': 'application/json',
    'x-factory-delivery': notice().id,
    'x-factory-occasion': 'failed',
    'x-factory-signature-256': `sha256=${hmac}`,
  })
  expect(JSON.parse(body)).toMatchObject({
    version: 1,
    id: notice().id,
    time: '2026-11-30T04:00:00.000Z',
    occasion: 'failed',
    release: 'lab-20261130-040000-abcd',
    hint: 'factory logs x86_64',
    page: 'https://factory.example.org/?a=1&b=2',
    facts: { outcome: 'failed' },
  })
  expect(scene.logged).toEqual([])
})

test('is not signed without a secret, and reads a changed address the next time', async () => {
  await using server = await startHttpReceiver(() => ({ status: 200 }))
  await using scene = await makeScene([{ kind: 'webhook', urlFile: 'url' }], { url: `${server.origin}/one` })
  scene.notifier.tell(notice({ id: '1' }))
  await scene.notifier.settled()
  await scene.workspace.write('url', `http://user:p%40ss@127.0.0.1:${new URL(server.origin).port}/two#x`)
  scene.notifier.tell(notice({ id: '2' }))
  await scene.notifier.settled()
  expect(server.requests.map(({ path }) => path)).toEqual(['/one', '/two'])
  expect(server.requests[0]!.headers).not.toHaveProperty('x-factory-signature-256')
  const basic = Buffer.from('user:p@ss').toString('base64')
  expect(server.requests[1]!.headers.authorization).toBe(`Basic ${basic}`)
})

test('does not follow a redirect, and names neither the address nor the secret', async () => {
  await using elsewhere = await startHttpReceiver(() => ({ status: 200 }))
  await using server = await startHttpReceiver(() => ({
    status: 307,
    headers: { location: `${elsewhere.origin}/stolen` },
    body: 'no: /hook/long-secret-path, my-secret',
  }))
  const told = { kind: 'webhook', urlFile: 'url', secretFile: 'secret' } as const
  const secrets = { url: `${server.origin}/hook/long-secret-path`, secret: 'my-secret' }
  await using scene = await makeScene([told], secrets)
  scene.notifier.tell(notice())
  await scene.notifier.settled()
  expect(elsewhere.requests).toEqual([])
  expect(server.requests).toHaveLength(1)
  expect(scene.logged).toEqual([
    'notify[0] (webhook) could not be told: the message was not taken: HTTP 307: no: ***, ***. It sends us on to another address, which is not followed: name the final one.',
  ])
})

test.each([
  ['file:///etc/passwd', 'holds no address'],
  ['ftp://127.0.0.1/x', 'holds no address'],
  ['data:text/plain,x', 'holds no address'],
  ['not an address', 'holds no address'],
  ['', 'is empty'],
  ['http://127.0.0.1/a\nhttp://127.0.0.1/b', 'has more than one line'],
  ['x'.repeat(70_000), 'is larger than any secret'],
])('sends nothing to %.30j', async (url, problem) => {
  await using scene = await makeScene([{ kind: 'webhook', urlFile: 'url' }], { url })
  scene.notifier.tell(notice())
  await scene.notifier.settled()
  expect(scene.logged).toHaveLength(1)
  expect(scene.logged[0]).toContain(`${scene.workspace.directory}/url, which "notify" names, ${problem}`)
  if (url !== '') expect(scene.logged[0]).not.toContain(url)
  expect(scene.pauses).toEqual([])
})

test('says which file is missing', async () => {
  await using scene = await makeScene([{ kind: 'webhook', urlFile: 'nowhere' }])
  scene.notifier.tell(notice())
  await scene.notifier.settled()
  expect(scene.logged[0]).toContain('nowhere, which "notify" names, is not there. Write the secret into it')
})
