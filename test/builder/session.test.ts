import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeAccess } from '#src/builder/keys.ts'
import { openBuilder } from '#src/builder/session.ts'
import { eventually, startSshServer } from '#test/servers/sshd.ts'
import { testContext } from './test-context.ts'

describe('the host key', () => {
  test('another key than the pinned one is refused at once and nothing is sent', async () => {
    await using server = await startSshServer()
    const other = await makeAccess(join(server.directory, 'other'))
    const startedAt = Date.now()
    const opening = openBuilder(
      { ...server.ref, hostPublicKey: other.hostPublicKey },
      server.access,
      testContext(),
    )
    await expect(opening).rejects.toMatchObject({ code: 'host-key-mismatch', class: 'infra' })
    expect(Date.now() - startedAt).toBeLessThan(5_000)
  })

  test('a server without the accepted algorithms is refused at once', async () => {
    await using server = await startSshServer({ settings: ['Ciphers aes128-ctr'] })
    const opening = openBuilder(server.ref, server.access, testContext())
    await expect(opening).rejects.toMatchObject({ code: 'builder-ssh-too-old' })
  })
})

describe('waiting for a machine', () => {
  test('a machine that boots slowly is waited for', async () => {
    await using server = await startSshServer()
    await server.stop()
    const opening = openBuilder(server.ref, server.access, testContext(), { readyLimitMs: 20_000 })
    setTimeout(() => void server.start(), 700)
    await using builder = await opening
    expect((await builder.exec(['echo', 'up'])).stdout).toBe('up\n')
  })

  test('a login that is not there yet is waited for, as cloud-init makes it late', async () => {
    await using server = await startSshServer()
    const file = join(server.directory, 'authorized_keys')
    const key = await readFile(file, 'utf8')
    await writeFile(file, '')
    const opening = openBuilder(server.ref, server.access, testContext(), { readyLimitMs: 20_000 })
    setTimeout(() => void writeFile(file, key), 700)
    await using builder = await opening
    expect(builder.ref.machine).toBe('loopback')
  })

  test('a refused login is named when the time is over', async () => {
    await using server = await startSshServer()
    await writeFile(join(server.directory, 'authorized_keys'), '')
    const opening = openBuilder(server.ref, server.access, testContext(), { readyLimitMs: 1_000 })
    await expect(opening).rejects.toMatchObject({
      code: 'builder-unreachable',
      hint: expect.stringContaining('cloud-init'),
    })
  })

  test('a port forward that accepts and never answers is given up in time, with the machine and the time named', async () => {
    const silent = createServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    await using server = await startSshServer()
    const { port } = silent.address() as AddressInfo
    const ref = { ...server.ref, address: { host: '127.0.0.1', port } }
    const opening = openBuilder(ref, server.access, testContext(), { readyLimitMs: 1_500 })
    await expect(opening).rejects.toMatchObject({
      code: 'builder-unreachable',
      message: expect.stringMatching(/loopback .*x86_64.* did not answer over SSH within 1\.5 s/),
    })
    silent.close()
  })

  test('Ctrl-C ends the wait', async () => {
    await using server = await startSshServer()
    await server.stop()
    const stopped = new AbortController()
    const opening = openBuilder(server.ref, server.access, testContext(stopped.signal))
    setTimeout(() => stopped.abort(new Error('Ctrl-C')), 300)
    await expect(opening).rejects.toThrow('Ctrl-C')
  })
})

describe('commands', () => {
  test('words arrive exactly as they were given', async () => {
    await using server = await startSshServer()
    await using builder = await openBuilder(server.ref, server.access, testContext())
    const words = [
      '',
      ' ',
      "it's",
      '"quoted"',
      '$(touch /tmp/pwned)',
      '`id`',
      '$HOME',
      'a\nb',
      '\\',
      '\\n',
      '*',
      '~',
      '!x',
      ';',
      '&&',
      '|',
      '>',
      '#',
      '-n',
      '--',
      'ümlaut',
      '日本語',
      '🏭',
      "'",
      "''",
      "'; exit 3; '",
      '\t',
      '\r',
      '{a,b}',
      '%s%n',
    ]
    const { stdout } = await builder.exec(['printf', '%s\\0', ...words])
    expect(stdout.split('\0').slice(0, -1)).toEqual(words)
    await expect(builder.exec(['echo', 'a\0b'])).rejects.toMatchObject({ code: 'command-word-impossible' })
  })

  test('standard input, exit codes and both outputs come through', async () => {
    await using server = await startSshServer()
    await using builder = await openBuilder(server.ref, server.access, testContext())
    const bytes = 'x'.repeat(3_000_000)
    expect((await builder.exec(['wc', '-c'], { stdin: bytes })).stdout.trim()).toBe('3000000')
    const answer = await builder.exec(['sh', '-c', 'echo out; echo err >&2; exit 7'], { accept: [7] })
    expect(answer).toEqual({ stdout: 'out\n', stderr: 'err\n', exitCode: 7 })
    await expect(builder.exec(['sh', '-c', 'echo "\u001b[31mbad" >&2; exit 9'])).rejects.toMatchObject({
      code: 'remote-command-failed',
      message: expect.stringMatching(/ended with exit code 9: bad$/),
    })
    await expect(builder.exec(['sh', '-c', 'kill -9 $$'])).rejects.toMatchObject({
      context: { exitCode: 137 },
    })
  })

  test('output beyond 8 MiB is refused and a command that hangs is ended on both sides', async () => {
    await using server = await startSshServer()
    await using builder = await openBuilder(server.ref, server.access, testContext())
    await expect(builder.exec(['head', '-c', '9M', '/dev/zero'])).rejects.toMatchObject({
      code: 'remote-output-too-large',
    })
    await expect(builder.exec(['sleep', '1234'], { limitMs: 200 })).rejects.toMatchObject({
      code: 'deadline-passed',
    })
    expect((await builder.exec(['echo', 'still here'])).stdout).toBe('still here\n')
  })

  test('a connection cut under a command is made again and the command run again', async () => {
    await using server = await startSshServer()
    await using builder = await openBuilder(server.ref, server.access, testContext())
    const marks = join(server.directory, 'marks')
    const script = `echo x >>"$1"; [ "$(wc -l <"$1")" -ge 2 ] || sleep 30; echo done`
    const running = builder.exec(['sh', '-c', script, 'sh', marks])
    await eventually('the first run', () => stat(marks).catch(() => undefined))
    expect(await server.cutConnections()).toBeGreaterThan(0)
    expect((await running).stdout).toBe('done\n')
  })

  test('a command that must not run twice fails when its connection is cut', async () => {
    await using server = await startSshServer()
    await using builder = await openBuilder(server.ref, server.access, testContext())
    const mark = join(server.directory, 'mark')
    const running = builder.exec(['sh', '-c', 'touch "$1"; sleep 30', 'sh', mark], { once: true })
    const refusal = expect(running).rejects.toMatchObject({ code: 'connection-lost', class: 'infra' })
    await eventually('the start', () => stat(mark).catch(() => undefined))
    await server.cutConnections()
    await refusal
  })

  test('a machine that does not come back is said to be lost, with its name and the time', async () => {
    await using server = await startSshServer()
    await using builder = await openBuilder(server.ref, server.access, testContext(), {
      reconnectLimitMs: 1_000,
    })
    await server.stop()
    await expect(builder.exec(['true'])).rejects.toMatchObject({
      code: 'builder-unreachable',
      class: 'infra',
      message: expect.stringMatching(/builder loopback .* was lost and did not come back within 1\.0 s/),
    })
  })

  test('many commands at once share one connection', async () => {
    await using server = await startSshServer()
    await using builder = await openBuilder(server.ref, server.access, testContext())
    const answers = await Promise.all(Array.from({ length: 30 }, (_, i) => builder.exec(['echo', String(i)])))
    expect(answers.map(({ stdout }) => Number(stdout))).toEqual(Array.from({ length: 30 }, (_, i) => i))
  })

  test('a builder behind a proxy command is reached through it, by ssh2 and by the OpenSSH client', async () => {
    await using server = await startSshServer()
    const proxy = join(server.directory, "proxy 100% 'odd'.mjs")
    await writeFile(
      proxy,
      `import { connect } from 'node:net'
const socket = connect(Number(process.argv[2]), '127.0.0.1')
process.stdin.pipe(socket).pipe(process.stdout)`,
    )
    const proxyCommand = [process.execPath, proxy, String(server.ref.address.port)]
    const ref = { ...server.ref, address: { host: 'nowhere.invalid', port: 1, proxyCommand } }
    await using builder = await openBuilder(ref, server.access, testContext())
    expect((await builder.exec(['echo', 'through'])).stdout).toBe('through\n')
    const source = join(server.directory, 'source')
    await writeFile(source, 'content')
    const ctx = testContext()
    await builder.fetch(source, join(server.directory, 'copy'), { ctx, label: 'copy', maxSizeBytes: 100 })
    expect(await readFile(join(server.directory, 'copy'), 'utf8')).toBe('content')
  })
})

describe('files', () => {
  test('a file is written whole, with its mode, replacing what was there', async () => {
    await using server = await startSshServer()
    await using builder = await openBuilder(server.ref, server.access, testContext())
    const path = join(server.directory, "new dir/it's a file")
    await builder.writeFile(path, 'first')
    await builder.writeFile(path, Buffer.alloc(100_000, 1), 0o640)
    expect((await readFile(path)).equals(Buffer.alloc(100_000, 1))).toBe(true)
    expect((await stat(path)).mode & 0o777).toBe(0o640)
    await builder.writeFile(path, '')
    expect(await stat(path)).toMatchObject({ size: 0 })
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })
})
