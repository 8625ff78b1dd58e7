import { createHmac } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type SignedWebhook, forgejo, github, gitlab, gitlabSigned } from './signed.ts'
import { type WebServer, webServer } from './web-server.ts'

const secret = '4f1ce5d0c0ffee4f1ce5d0c0ffee4f1c'
const signingToken = `whsec_${Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')}`

async function hooked(given = secret, bodyMs = 10_000): Promise<WebServer> {
  const place = await mkdtemp(join(tmpdir(), 'secret-'))
  const file = join(place, 'webhook')
  await writeFile(file, `${given}\n`)
  const server = await webServer({ webhookSecret: file }, { bodyMs })
  await rm(place, { recursive: true })
  return server
}

async function send(server: WebServer, { path, headers, body }: SignedWebhook): Promise<number> {
  // Proxies and forges call it by any name: the signature decides.
  const all = { ...headers, host: 'hooks.internal', 'sec-fetch-site': 'cross-site' }
  return (await server.ask(path, { method: 'POST', bearer: false, headers: all, body })).status
}

const looked = ['look now: containerfile']

test.each([
  ['GitHub', secret, () => github(secret)],
  ['Forgejo', secret, () => forgejo(secret)],
  ['Gitea', secret, () => forgejo(secret, 'gitea')],
  ['GitLab with a secret token', secret, () => gitlab(secret)],
  [
    'GitLab with a signing token',
    signingToken,
    () => gitlabSigned(signingToken, Date.parse('2026-11-25T12:00:00Z')),
  ],
])(
  '%s says "look now", and a changed byte, secret or signature says nothing',
  async (_forge, given, make) => {
    await using server = await hooked(given)
    const good = make()
    const change = (header: string, value: string | undefined) => {
      const headers = { ...good.headers }
      delete headers[header]
      return send(server, {
        ...good,
        headers: value === undefined ? headers : { ...headers, [header]: value },
      })
    }
    const [header = ''] = [
      'x-forgejo-signature',
      'x-gitea-signature',
      'webhook-signature',
      'x-gitlab-token',
      'x-hub-signature-256',
    ].filter((name) => name in good.headers)
    const signature = good.headers[header]!
    expect(await change(header, `${signature}0`)).toBe(403)
    expect(await change(header, signature.slice(0, -1))).toBe(403)
    expect(await change(header, signature.toUpperCase() === signature ? 'x' : signature.toUpperCase())).toBe(
      403,
    )
    expect(await change(header, '')).toBe(403)
    expect(await change(header, 'é')).toBe(403)
    if (header !== 'x-gitlab-token') {
      expect(await send(server, { ...good, body: good.body.replace('main', 'mein') })).toBe(403)
      expect(await send(server, { ...good, body: '' })).toBe(403)
    }
    expect(server.calls).toEqual([])
    const began = Date.now()
    expect(await send(server, good)).toBe(202)
    expect(Date.now() - began).toBeLessThan(1_000)
    expect(server.calls).toEqual(looked)
  },
)

test('the examples of the vendors are understood', async () => {
  // https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
  await using one = await hooked("It's a Secret to Everybody")
  const signature = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17'
  const ofGithub = {
    path: '/webhooks/github',
    headers: { 'x-hub-signature-256': signature },
    body: 'Hello, World!',
  }
  expect(await send(one, ofGithub)).toBe(202)
  // RFC 4231, test case 2.
  await using two = await hooked('Jefe')
  const hex = '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'
  const body = 'what do ya want for nothing?'
  expect(await send(two, { path: '/webhooks/forgejo', headers: { 'x-gitea-signature': hex }, body })).toBe(
    202,
  )
  // https://github.com/standard-webhooks/standard-webhooks, the test of its libraries.
  await using three = await hooked('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')
  three.setNow(1_614_265_330_000)
  const headers = {
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,bm9uZQ== v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  }
  const ofGitlab = { path: '/webhooks/gitlab', headers, body: '{"test": 2432232314}' }
  expect(await send(three, ofGitlab)).toBe(202)
})

test("with a signing token GitLab's secret token is not enough, and an old signature is none", async () => {
  await using server = await hooked(signingToken)
  const now = server.serving.now()
  expect(await send(server, gitlab(signingToken))).toBe(403)
  expect(await send(server, gitlabSigned(signingToken, now - 301_000))).toBe(403)
  expect(await send(server, gitlabSigned(signingToken, now + 301_000))).toBe(403)
  expect(
    await send(server, {
      ...gitlabSigned(signingToken, now),
      headers: { ...gitlabSigned(signingToken, now).headers, 'webhook-timestamp': 'NaN' },
    }),
  ).toBe(403)
  expect(server.calls).toEqual([])
  expect(await send(server, gitlabSigned(signingToken, now - 299_000))).toBe(202)
})

test('a signature of one forge is none at the address of another', async () => {
  await using server = await hooked()
  expect(await send(server, { ...github(secret), path: '/webhooks/gitlab' })).toBe(403)
  expect(await send(server, { ...gitlab(secret), path: '/webhooks/forgejo' })).toBe(403)
  for (const path of ['/webhooks/bitbucket', '/webhooks/', '/webhooks/constructor', '/webhooks/github/x'])
    expect([path, await send(server, { ...github(secret), path })]).toEqual([path, 404])
  expect((await server.ask('/webhooks/github')).status).toBe(404)
  expect(server.calls).toEqual([])
})

test('a ping is answered and nothing is looked at', async () => {
  await using server = await hooked()
  expect(await send(server, github(secret, 'ping'))).toBe(202)
  expect(server.calls).toEqual([])
  expect(await send(server, github('wrong', 'ping'))).toBe(403)
})

test('one that comes again and again makes us look once a second', async () => {
  await using server = await hooked()
  const began = Date.now()
  for (let count = 0; count < 50; count += 1) expect(await send(server, github(secret))).toBe(202)
  await expect.poll(() => server.calls.length, { timeout: 10_000 }).toBeGreaterThan(1)
  expect(server.calls.length).toBeLessThanOrEqual(2 + (Date.now() - began) / 1000)
})

test('bytes that are no text are not signed by the text that they are read as', async () => {
  await using server = await hooked()
  const bytes = Buffer.from([0x7b, 0xff, 0x7d])
  for (const signed of [bytes, bytes.toString('utf8')]) {
    const signature = createHmac('sha256', secret).update(signed).digest('hex')
    const headers = { 'x-hub-signature-256': `sha256=${signature}` }
    expect((await server.ask('/webhooks/github', { method: 'POST', headers, body: bytes })).status).toBe(403)
  }
  expect(server.calls).toEqual([])
})

test('more than a mebibyte is refused, announced or not, and as soon as it is seen', async () => {
  await using server = await hooked()
  const body = Buffer.alloc(1024 * 1024 + 1, 'x')
  const sent = (headers: object) =>
    server.ask('/webhooks/github', { method: 'POST', headers: { ...headers }, body })
  expect((await sent({})).status).toBe(413)
  expect((await sent({ 'transfer-encoding': 'chunked' })).status).toBe(413)
  const socket = connect(Number(new URL(server.listening.url).port), '127.0.0.1')
  socket.write(`POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n`)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  expect(answer.toString()).toMatch(/^HTTP\/1.1 413 /)
  socket.destroy()
  expect(server.calls).toEqual([])
})

test('a body that does not come is waited for until its deadline, and others are served meanwhile', async () => {
  await using server = await hooked(secret, 500)
  const port = Number(new URL(server.listening.url).port)
  const slow = Array.from({ length: 20 }, () => {
    const socket = connect(port, '127.0.0.1')
    socket.write('POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{')
    return socket
  })
  expect(await send(server, github(secret))).toBe(202)
  for (const socket of slow) {
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).toMatch(/^HTTP\/1.1 408 /)
    socket.destroy()
  }
  expect(server.calls).toEqual(looked)
})

test('more at once than there may be are sent away', async () => {
  await using server = await hooked()
  const port = Number(new URL(server.listening.url).port)
  const slow = await Promise.all(
    Array.from({ length: 32 }, async () => {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => {})
      await once(socket, 'connect')
      socket.write('POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{')
      return socket
    }),
  )
  await expect.poll(() => send(server, github(secret)), { timeout: 30_000 }).toBe(503)
  expect((await server.ask('/api/images')).status).toBe(200)
  for (const socket of slow) socket.destroy()
  await expect.poll(() => send(server, github(secret)), { timeout: 30_000 }).toBe(202)
})

test('without a secret there are no webhooks', async () => {
  await using server = await webServer()
  expect(await send(server, github(''))).toBe(404)
  expect(await send(server, gitlab(''))).toBe(404)
  expect(server.calls).toEqual([])
})

test('a secret that cannot be read, or is none, keeps it from starting', async () => {
  await expect(webServer({ webhookSecret: '/nonexistent/secret' })).rejects.toMatchObject({
    code: 'webhook-secret-unreadable',
  })
  await expect(webServer({ webhookSecret: '/dev/null' })).rejects.toMatchObject({
    code: 'webhook-secret-unreadable',
  })
})
