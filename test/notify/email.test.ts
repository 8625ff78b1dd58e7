import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Certificate, makeCertificate } from '#test/servers/certificate.ts'
import { type SmtpOptions, startSmtp } from '#test/servers/smtp/smtp.ts'
import { type Workspace, makeWorkspace } from '#test/config/workspace.ts'
import { hostile, makeScene, notice } from './scene.ts'

let place: Workspace
let trusted: Certificate
const usual = getCACertificates('default')

beforeAll(async () => {
  place = await makeWorkspace({ 'other/here': '' })
  trusted = await makeCertificate(place.directory)
  // What NODE_EXTRA_CA_CERTS does for a process that starts.
  setDefaultCACertificates([...usual, trusted.authority])
})

afterAll(async () => {
  setDefaultCACertificates(usual)
  await place[Symbol.asyncDispose]()
})

const account = ['factory', 'geh eim+Ü'] as const

async function scenes(options: Partial<SmtpOptions> = {}, changes: Record<string, unknown> = {}) {
  const tls = options.tls ?? 'required'
  const server = await startSmtp({ certificate: trusted, account, tls, ...options })
  const told = {
    kind: 'email',
    server: `localhost:${server.port}`,
    tls,
    from: 'Image factory <factory@example.org>',
    to: ['one@example.org', 'two@example.org'],
    user: account[0],
    passwordFile: 'password',
    ...changes,
  } as const
  const scene = await makeScene([told], { password: `${account[1]}\n` })
  return {
    server,
    scene,
    async [Symbol.asyncDispose]() {
      await scene[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}

test.each(['required', 'starttls'] as const)('sends a text mail with tls: %s', async (tls) => {
  await using both = await scenes({ tls })
  both.scene.notifier.tell(notice({ title: 'lab – failed' }))
  await both.scene.notifier.settled()
  expect(both.scene.logged).toEqual([])
  const mails = await both.server.mails()
  expect(mails).toHaveLength(1)
  const { headers, ...mail } = mails[0]!
  expect(mail).toEqual({
    from: 'factory@example.org',
    to: ['one@example.org', 'two@example.org'],
    user: 'factory',
    tls: true,
    text: 'x86_64 disks: the disk builder ended with 1 [disk-build-failed]\r\n\r\n→ factory logs x86_64\r\n\r\nhttps://factory.example.org/?a=1&b=2\r\n',
  })
  expect(headers).toMatchObject({
    from: ['Image factory <factory@example.org>'],
    to: ['one@example.org, two@example.org'],
    subject: ['=?UTF-8?Q?lab_=E2=80=93_failed?='],
    'message-id': ['<factory-aaaa0000aaaa0000aaaa0000aaaa0000@example.org>'],
    date: ['Mon, 30 Nov 2026 04:00:00 +0000'],
    'auto-submitted': ['auto-generated'],
    'content-type': ['text/plain; charset=utf-8'],
  })
})

test('no title and no text makes a header or another recipient', async () => {
  await using both = await scenes()
  both.scene.notifier.tell(notice({ title: hostile, text: `${hostile}\r\n.\r\nQUIT\r\n`, hint: hostile }))
  await both.scene.notifier.settled()
  const mails = await both.server.mails()
  expect(mails).toHaveLength(1)
  const { headers, to } = mails[0]!
  expect(to).toEqual(['one@example.org', 'two@example.org'])
  expect(Object.keys(headers)).not.toContain('bcc')
  expect(headers['subject']).toHaveLength(1)
})

test('a mail whose answer was lost comes again under the same id', async () => {
  await using both = await scenes({ faults: ['lost'] })
  both.scene.notifier.tell(notice())
  await both.scene.notifier.settled()
  const ids = (await both.server.mails()).map(({ headers }) => headers['message-id']?.[0])
  expect(ids).toHaveLength(2)
  expect(new Set(ids)).toHaveLength(1)
})

test('comes back to a server that wants to be asked later', async () => {
  await using both = await scenes({ faults: ['451 4.7.1 greylisted', '421 4.3.2 busy'] })
  both.scene.notifier.tell(notice())
  await both.scene.notifier.settled()
  expect(await both.server.mails()).toHaveLength(1)
  expect(both.scene.pauses).toHaveLength(2)
  expect(both.scene.logged[0]).toContain('451 4.7.1 greylisted. The mail server wants to be asked later.')
})

test('says which recipient was refused and sends the others no second mail', async () => {
  await using both = await scenes({ unknown: ['two@example.org'] })
  both.scene.notifier.tell(notice())
  await both.scene.notifier.settled()
  expect((await both.server.mails()).map(({ to }) => to)).toEqual([['one@example.org']])
  expect(both.scene.logged).toEqual([
    'notify[0] (email) could not be told: the message was not taken: two@example.org (1 of 2). Take the address out of "to", or mend it.',
  ])
})

test('says that the account is not accepted, and not its password', async () => {
  await using both = await scenes({ account: ['factory', 'another'] })
  both.scene.notifier.tell(notice())
  await both.scene.notifier.settled()
  expect(await both.server.mails()).toEqual([])
  expect(both.scene.logged).toHaveLength(1)
  expect(both.scene.logged[0]).toContain('Look at "user" and at the file "passwordFile"')
  expect(both.scene.logged[0]).not.toContain('geh')
  expect(both.scene.pauses).toEqual([])
})

test.each(['required', 'starttls'] as const)(
  'sends nothing, and no password, to a server whose certificate nobody vouches for (tls: %s)',
  async (tls) => {
    const certificate = await makeCertificate(`${place.directory}/other`)
    await using both = await scenes({ tls, certificate })
    both.scene.notifier.tell(notice())
    await both.scene.notifier.settled()
    expect(await both.server.mails()).toEqual([])
    expect(both.scene.logged).toHaveLength(1)
    expect(both.scene.logged[0]).toContain('NODE_EXTRA_CA_CERTS=FILE')
  },
)

test('sends nothing to a server of another name', async () => {
  const certificate = await makeCertificate(`${place.directory}/other`, ['mail.example.org'])
  setDefaultCACertificates([...usual, trusted.authority, certificate.authority])
  await using both = await scenes({ certificate })
  both.scene.notifier.tell(notice())
  await both.scene.notifier.settled()
  expect(await both.server.mails()).toEqual([])
  expect(both.scene.logged[0]).toContain('not one that this machine trusts')
})

test('sends nothing, and no password, where STARTTLS is not offered', async () => {
  await using both = await scenes({ tls: 'none' }, { tls: 'starttls' })
  both.scene.notifier.tell(notice())
  await both.scene.notifier.settled()
  expect(await both.server.mails()).toEqual([])
  expect(both.scene.logged[0]).toContain('There is no STARTTLS at this port')
})

test('a server on this machine may go without TLS and without an account', async () => {
  const open = { tls: 'none', user: undefined, passwordFile: undefined }
  await using server = await startSmtp({ tls: 'none' })
  const told = {
    kind: 'email',
    server: `127.0.0.1:${server.port}`,
    ...open,
    from: 'a@b.example',
    to: ['c@d.example'],
  }
  const { passwordFile: _, ...plain } = told
  await using scene = await makeScene([plain as typeof plain & { kind: 'email' }])
  scene.notifier.tell(notice())
  await scene.notifier.settled()
  expect(scene.logged).toEqual([])
  expect((await server.mails()).map(({ tls, user }) => ({ tls, user }))).toEqual([{ tls: false, user: null }])
})
