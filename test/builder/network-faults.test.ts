import { createHash } from 'node:crypto'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { openBuilder } from '#src/builder/session.ts'
import type { SessionOptions } from '#src/builder/session.ts'
import type { Builder } from '#src/builder/types.ts'
import { eventually, startSshServer } from '#test/servers/sshd.ts'
import type { SshServer } from '#test/servers/sshd.ts'
import { startTcpProxy } from '#test/servers/tcp-proxy.ts'
import type { TcpProxy } from '#test/servers/tcp-proxy.ts'
import { bring, expectSame, sparse, text } from './bring.ts'
import { behind, testContext } from './test-context.ts'

/** Keep-alive asks every 5 s and gives up after three questions without an answer; the rest is a busy machine's. */
const noticeLimitMs = 20_000 + 2_000

function open(server: SshServer, proxy: TcpProxy, options: SessionOptions = {}): Promise<Builder> {
  const jobsDirectory = join(server.directory, 'jobs')
  return openBuilder(behind(proxy, server.ref), server.access, testContext(), { jobsDirectory, ...options })
}

/** Milliseconds until the factory has given its connection up and makes another one. */
async function nextConnection(proxy: TcpProxy): Promise<number> {
  const { accepted } = proxy
  const startedAt = Date.now()
  await eventually('another connection', () => proxy.accepted > accepted, 40_000)
  return Date.now() - startedAt
}

/** A job that writes numbered lines of 4 KB until the file is there, or the directory of a test that failed is gone. */
const writer = (stopFile: string, runs: string) => `
echo run >>'${runs}'
i=0
until [ -e '${stopFile}' ] || [ ! -e "$FACTORY_JOB" ]; do
  i=$((i + 1))
  echo "$i $(head -c 3000 /dev/urandom | base64 -w 0)"
  sleep 0.02
done
exit 3
`

/** The connection that runs a command is mended or the command repeated: the answer is always the whole one. */
async function answersThrough(fault: (proxy: TcpProxy) => Promise<void>): Promise<void> {
  await using server = await startSshServer()
  await using proxy = await startTcpProxy(server.ref.address.port)
  await using builder = await open(server, proxy)
  const expected = Array.from({ length: 100_000 }, (_, i) => `${i + 1}\n`).join('')
  const happened = fault(proxy)
  const { stdout } = await builder.exec(['seq', '100000'])
  await happened
  expect(stdout).toBe(expected)
  expect(proxy.accepted).toBe(2)
}

test('a job is followed through 100 broken connections, every byte handed on once and in order', async () => {
  await using server = await startSshServer()
  await using proxy = await startTcpProxy(server.ref.address.port)
  await using builder = await open(server, proxy)
  const stop = join(server.directory, 'stop')
  const runs = join(server.directory, 'runs')
  const received = createHash('sha256')
  const numbers: number[] = []

  const breaking = (async () => {
    for (let i = 1; i <= 100; i += 1) await proxy.breakAfter((i * 7919) % 30_000, 'reset')
  })()
  await builder.startJob('long', writer(stop, runs))
  const following = builder.followJob('long', {
    fromByte: 0,
    limitMs: 170_000,
    onLine: (line) => numbers.push(Number.parseInt(line, 10)),
    onBytes: async (bytes) => {
      await nextTurn()
      received.update(bytes)
    },
  })
  await breaking
  await writeFile(stop, '')

  const state = await following
  const log = await readFile(join(server.directory, 'jobs/long/log'))
  expect(state).toEqual({ exitCode: 3, logBytes: log.length })
  expect(received.digest('hex')).toBe(createHash('sha256').update(log).digest('hex'))
  expect(numbers).toEqual(numbers.map((_, index) => index + 1))
  expect(await readFile(runs, 'utf8')).toBe('run\n')
  expect(proxy.accepted).toBeGreaterThan(100)
}, 180_000)

describe.concurrent('a link that goes dead without a word', () => {
  test('under a command is noticed within 20 s; the command runs again when the network is back', async () => {
    await using server = await startSshServer()
    await using proxy = await startTcpProxy(server.ref.address.port)
    await using builder = await open(server, proxy)
    const marks = join(server.directory, 'marks')
    const script = 'echo x >>"$1"; [ "$(wc -l <"$1")" -ge 2 ] || sleep 50; echo done'
    const running = builder.exec(['sh', '-c', script, 'sh', marks])
    await eventually('the first run', () => stat(marks).catch(() => undefined))
    proxy.blackHole()
    expect(await nextConnection(proxy)).toBeLessThan(noticeLimitMs)
    proxy.pass()
    expect((await running).stdout).toBe('done\n')
  })

  test('under a job is noticed within 20 s; its log comes complete when the network is back', async () => {
    await using server = await startSshServer()
    await using proxy = await startTcpProxy(server.ref.address.port)
    await using builder = await open(server, proxy)
    const stop = join(server.directory, 'stop')
    await builder.startJob('long', writer(stop, join(server.directory, 'runs')))
    const chunks: Buffer[] = []
    const onBytes = (bytes: Uint8Array) => void chunks.push(Buffer.from(bytes))
    const following = builder.followJob('long', { fromByte: 0, limitMs: 50_000, onLine: () => {}, onBytes })
    await proxy.breakAfter(50_000, 'black-hole')
    expect(await nextConnection(proxy)).toBeLessThan(noticeLimitMs)
    proxy.pass()
    await writeFile(stop, '')
    expect((await following).exitCode).toBe(3)
    const log = await readFile(join(server.directory, 'jobs/long/log'))
    expect(Buffer.concat(chunks).equals(log)).toBe(true)
  })

  test('for longer than the reconnect limit is said to be lost, with the machine and the time', async () => {
    await using server = await startSshServer()
    await using proxy = await startTcpProxy(server.ref.address.port)
    await using builder = await open(server, proxy, { reconnectLimitMs: 7_000 })
    const running = builder.exec(['sleep', '50'])
    const lost = expect(running).rejects.toMatchObject({
      code: 'builder-unreachable',
      class: 'infra',
      message: expect.stringMatching(
        /builder loopback \(x86_64\) at 127\.0\.0\.1 port \d+ was lost and did not come back within 7\.0 s; last attempt: no SSH server answered within 5 s/,
      ),
    })
    proxy.blackHole()
    await lost
  })
})

test('a link that goes dead just after it damaged a packet is left at once, without waiting for a farewell', async () => {
  const startedAt = Date.now()
  await answersThrough(async (proxy) => {
    await proxy.breakAfter(4, 'flipped-bit')
    proxy.blackHole()
    await nextConnection(proxy)
    proxy.pass()
  })
  expect(Date.now() - startedAt).toBeLessThan(10_000)
})

test('a session is closed on a dead link without waiting for it', async () => {
  await using server = await startSshServer()
  await using proxy = await startTcpProxy(server.ref.address.port)
  const sockets = () => process.getActiveResourcesInfo().filter((name) => name.startsWith('TCPSocket')).length
  const builder = await open(server, proxy)
  const before = sockets()
  proxy.blackHole()
  await builder[Symbol.asyncDispose]()
  await eventually('the socket is gone', () => sockets() < before, 2_000)
})

describe('a damaged packet', () => {
  for (const offset of [0, 3, 4, 40, 300_000]) {
    test(`never gives a wrong answer (byte ${offset} after the question)`, async () => {
      await answersThrough((proxy) => proxy.breakAfter(offset, 'flipped-bit'))
    })
  }
})

test('a slow line with a long way carries a session, a job and a file', async () => {
  await using server = await startSshServer()
  await using proxy = await startTcpProxy(server.ref.address.port)
  proxy.delayMs = 150
  proxy.bytesPerSecond = 250_000
  await using builder = await open(server, proxy)
  const startedAt = Date.now()
  expect((await builder.exec(['echo', 'far away'])).stdout).toBe('far away\n')
  expect(Date.now() - startedAt).toBeGreaterThan(300)
  await builder.startJob('short', 'seq 50000')
  const lines: string[] = []
  await builder.followJob('short', { fromByte: 0, limitMs: 50_000, onLine: (line) => lines.push(line) })
  expect(lines).toEqual(Array.from({ length: 50_000 }, (_, i) => String(i + 1)))
  const source = await sparse(join(server.directory, 'disk.raw'), 64 * 1024 * 1024, [[8192, text(300_000)]])
  const { file, destination } = await bring(server, source, { proxy })
  await expectSame(source, destination, file)
})

test('the machine that takes over the address in mid-session is told nothing', async () => {
  await using server = await startSshServer()
  await using other = await startSshServer({ settings: ['LogLevel DEBUG1'] })
  await writeFile(join(other.directory, 'authorized_keys'), `${server.access.authorizedKey}\n`)
  const asked = /userauth-request for user root/
  const started = /Starting session: command/
  {
    await using welcome = await openBuilder(other.ref, server.access, testContext())
    await welcome.exec(['true'])
  }
  await eventually('the log of a login', () => asked.test(other.log()) && started.test(other.log()))
  const logBefore = other.log().length

  await using proxy = await startTcpProxy(server.ref.address.port)
  await using builder = await open(server, proxy)
  await builder.startJob('long', 'sleep 30')
  const following = builder.followJob('long', { fromByte: 0, limitMs: 50_000, onLine: () => {} })
  proxy.targetPort = other.ref.address.port
  proxy.reset()
  await expect(following).rejects.toMatchObject({ code: 'host-key-mismatch', class: 'infra' })
  await expect(builder.exec(['cat'], { stdin: 'secret' })).rejects.toMatchObject({
    code: 'host-key-mismatch',
  })
  const file = { ctx: testContext(), label: 'disk', maxSizeBytes: 1000 }
  const fetching = builder.fetch('/etc/hostname', join(server.directory, 'copy'), file)
  await expect(fetching).rejects.toMatchObject({ code: 'host-key-mismatch' })

  const goodbye = /Disconnected from 127\.0\.0\.1 port \d+ \[preauth\]/g
  const goodbyes = () => [...other.log().slice(logBefore).matchAll(goodbye)].length
  await eventually('the end of three connections', () => goodbyes() >= 3)
  expect(other.log().slice(logBefore)).not.toMatch(asked)
  expect(other.log().slice(logBefore)).not.toMatch(started)
  proxy.targetPort = server.ref.address.port
  await builder.stopJob('long')
})
