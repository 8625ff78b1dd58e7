import { appendFile, readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { openBuilder } from '#src/builder/session.ts'
import type { Builder } from '#src/builder/types.ts'
import { eventually, startSshServer } from '#test/servers/sshd.ts'
import type { SshServer } from '#test/servers/sshd.ts'
import { testContext } from './test-context.ts'

const limitMs = 50_000

async function open(server: SshServer): Promise<Builder> {
  return openBuilder(server.ref, server.access, testContext(), {
    jobsDirectory: join(server.directory, 'jobs'),
  })
}

/** Follows and keeps what came, to be compared with what the builder has. */
function follow(
  builder: Builder,
  id: string,
  more: { fromByte?: number; maxLogBytes?: number; limitMs?: number } = {},
) {
  const lines: string[] = []
  const chunks: Buffer[] = []
  const state = builder.followJob(id, {
    fromByte: 0,
    limitMs,
    onLine: (line) => lines.push(line),
    onBytes: (bytes) => void chunks.push(Buffer.from(bytes)),
    ...more,
  })
  return { state, lines, bytes: () => Buffer.concat(chunks) }
}

const logOf = (server: SshServer, id: string) => readFile(join(server.directory, 'jobs', id, 'log'))

/** A job that writes numbered lines until it is told to end, so that a test decides when. */
const counter = (stopFile: string) => `
i=0
until [ -e '${stopFile}' ]; do i=$((i + 1)); echo "line $i"; sleep 0.02; done
echo last
exit 3
`

describe('a job', () => {
  test('runs to its own exit code, and its log comes complete and in lines', async () => {
    await using server = await startSshServer()
    await using builder = await open(server)
    await builder.startJob('short', 'echo one; echo two >&2; printf "no line end"; exit 5')
    const followed = follow(builder, 'short')
    expect(await followed.state).toEqual({ exitCode: 5, logBytes: 19 })
    expect(followed.lines).toEqual(['one', 'two', 'no line end'])
    expect(followed.bytes()).toEqual(await logOf(server, 'short'))
  })

  test('is not said to be over before its last bytes have been taken', async () => {
    await using server = await startSshServer()
    await using builder = await open(server)
    await builder.startJob('slow-reader', 'seq 1000')
    const chunks: Buffer[] = []
    const onBytes = async (bytes: Uint8Array) => {
      await sleep(300)
      chunks.push(Buffer.from(bytes))
    }
    await builder.followJob('slow-reader', { fromByte: 0, limitMs, onLine: () => {}, onBytes })
    expect(Buffer.concat(chunks)).toEqual(await logOf(server, 'slow-reader'))
  })

  test('runs with pipefail and without unset variables, as its scripts rely on', async () => {
    await using server = await startSshServer()
    await using builder = await open(server)
    await builder.startJob('strict', 'false | true; echo not reached')
    await builder.startJob('unset', 'echo "$nothing"; echo not reached')
    expect(await follow(builder, 'strict').state).toEqual({ exitCode: 1, logBytes: 0 })
    expect((await follow(builder, 'unset').state).exitCode).toBe(1)
    expect((await logOf(server, 'unset')).toString()).not.toContain('not reached')
  })

  test('started twice and from two sides runs once', async () => {
    await using server = await startSshServer()
    await using builder = await open(server)
    await using other = await open(server)
    const runs = join(server.directory, 'runs')
    const script = `echo run >>'${runs}'; sleep 0.3`
    await Promise.all([builder, other, builder, other].map((side) => side.startJob('once', script)))
    await follow(builder, 'once').state
    await builder.startJob('once', script)
    await follow(other, 'once').state
    expect(await readFile(runs, 'utf8')).toBe('run\n')
  })

  test('goes on when every connection is cut, and its log arrives complete to the byte', async () => {
    await using server = await startSshServer()
    await using builder = await open(server)
    const stop = join(server.directory, 'stop')
    await builder.startJob('long', counter(stop))
    const followed = follow(builder, 'long')
    for (const drop of [1, 2, 3]) {
      const before = followed.lines.length
      await eventually(`lines before drop ${drop}`, () => followed.lines.length > before + 3)
      await server.cutConnections()
    }
    const before = followed.lines.length
    await eventually('lines after the drops', () => followed.lines.length > before)
    await writeFile(stop, '')
    expect((await followed.state).exitCode).toBe(3)
    expect(followed.bytes().equals(await logOf(server, 'long'))).toBe(true)
    const numbers = followed.lines.slice(0, -1).map((line) => Number(line.slice(5)))
    expect(numbers).toEqual(numbers.map((_, index) => index + 1))
  })

  test('goes on when the SSH server itself is gone for a while', async () => {
    await using server = await startSshServer()
    await using builder = await open(server)
    const stop = join(server.directory, 'stop')
    await builder.startJob('long', counter(stop))
    const followed = follow(builder, 'long')
    await eventually('the first lines', () => followed.lines.length > 2)
    await server.stop()
    await writeFile(stop, '')
    await eventually('the end of the job', () =>
      stat(join(server.directory, 'jobs/long/rc')).catch(() => undefined),
    )
    await server.start()
    expect((await followed.state).exitCode).toBe(3)
    expect(followed.bytes().equals(await logOf(server, 'long'))).toBe(true)
  })

  test('is followed on from a byte offset by another session', async () => {
    await using server = await startSshServer()
    await using builder = await open(server)
    await builder.startJob('resumed', 'printf "0123456789\\nabc\\n"')
    await follow(builder, 'resumed').state
    await using other = await open(server)
    const followed = follow(other, 'resumed', { fromByte: 11 })
    expect(await followed.state).toEqual({ exitCode: 0, logBytes: 15 })
    expect(followed.lines).toEqual(['abc'])
  })

  test('a script of any content arrives whole', async () => {
    await using server = await startSshServer()
    await using builder = await open(server)
    const script = `cat <<'E'\n${"it's $(not) `run` \\ €\n".repeat(5_000)}E\n`
    await builder.startJob('torture', script)
    await follow(builder, 'torture').state
    expect((await logOf(server, 'torture')).toString()).toBe(script.slice(10, -2))
  })

  test('an id that could leave the jobs directory is refused', async () => {
    await using server = await startSshServer()
    await using builder = await open(server)
    for (const id of ['../x', 'a/b', '', '-x', 'A', 'a'.repeat(81), 'a b']) {
      await expect(builder.startJob(id, 'true')).rejects.toMatchObject({ code: 'job-id-refused' })
    }
  })
})

describe('the end of a job that did not end well', () => {
  test('one that was killed without an exit code is reported as lost', async () => {
    await using server = await startSshServer()
    await using builder = await open(server)
    await builder.startJob('killed', 'echo before; kill -9 $PPID; sleep 0.2; echo after')
    const followed = follow(builder, 'killed')
    await expect(followed.state).rejects.toMatchObject({
      code: 'job-lost',
      class: 'infra',
      context: { job: 'killed', state: 'killed' },
      hint: expect.stringMatching(/out of memory.*factory logs x86_64/),
    })
    expect(followed.lines[0]).toBe('before')
  })

  test('one that a restart of the machine ended is reported as lost', async () => {
    await using server = await startSshServer()
    await using builder = await open(server)
    await builder.startJob('rebooted', 'echo before; exec sleep 60')
    const followed = follow(builder, 'rebooted')
    await eventually('the first line', () => followed.lines.length > 0)
    const begun = join(server.directory, 'jobs/rebooted/begun')
    await writeFile(begun, (await readFile(begun, 'utf8')).replace(/^\S+/, 'another-boot'))
    await server.cutConnections()
    await expect(followed.state).rejects.toMatchObject({
      code: 'job-lost',
      class: 'infra',
      message: expect.stringContaining('restarted'),
      context: { job: 'rebooted', state: 'rebooted', logBytes: 7 },
      hint: expect.stringContaining('somebody reset the machine'),
    })
    expect(followed.lines).toEqual(['before'])
    await builder.stopJob('rebooted')
  })

  test('one that was never started is unknown', async () => {
    await using server = await startSshServer()
    await using builder = await open(server)
    await expect(follow(builder, 'never').state).rejects.toMatchObject({ code: 'job-unknown' })
  })

  test('stopping ends every process, also those that left the session, and the follow says so', async () => {
    await using server = await startSshServer()
    await using builder = await open(server)
    const pids = join(server.directory, 'pids')
    const script = `
      sleep 1000 & echo $! >>'${pids}'
      setsid sleep 1000 & echo $! >>'${pids}'
      trap '' TERM
      echo $$ >>'${pids}'
      wait`
    await builder.startJob('stopped', script)
    await eventually(
      'the processes',
      async () => (await readFile(pids, 'utf8').catch(() => '')).split('\n').length === 4,
    )
    const refusal = expect(follow(builder, 'stopped').state).rejects.toMatchObject({ code: 'job-stopped' })
    await builder.stopJob('stopped')
    await refusal
    const alive = new Set(await readdir('/proc'))
    for (const pid of (await readFile(pids, 'utf8')).trim().split('\n')) expect(alive.has(pid)).toBe(false)
    await builder.startJob('stopped', 'echo again')
    await expect(follow(builder, 'stopped').state).rejects.toMatchObject({ code: 'job-stopped' })
  })

  test('one that takes too long is ended on the builder', async () => {
    await using server = await startSshServer()
    await using builder = await open(server)
    const pid = join(server.directory, 'pid')
    await builder.startJob('endless', `echo $$ >'${pid}'; exec sleep 1000`)
    await expect(follow(builder, 'endless', { limitMs: 700 }).state).rejects.toMatchObject({
      code: 'deadline-passed',
      class: 'timeout',
    })
    expect(await readdir('/proc')).not.toContain((await readFile(pid, 'utf8')).trim())
  })

  test('one that floods its log is ended on the builder, and no more than the limit is handed on', async () => {
    await using server = await startSshServer()
    await using builder = await open(server)
    await builder.startJob('flood', 'yes "a flood of text"')
    const followed = follow(builder, 'flood', { maxLogBytes: 1_000_000 })
    await expect(followed.state).rejects.toMatchObject({ code: 'job-log-too-large', class: 'user' })
    expect(followed.bytes().length).toBeLessThanOrEqual(1_000_000)
    const size = (await logOf(server, 'flood')).length
    await appendFile(join(server.directory, 'jobs/flood/log'), '')
    expect((await logOf(server, 'flood')).length).toBe(size)
  })

  test('a builder that answers nonsense about a job is not believed', async () => {
    await using server = await startSshServer()
    await using builder = await open(server)
    await builder.startJob('liar', 'true')
    await follow(builder, 'liar').state
    await writeFile(join(server.directory, 'jobs/liar/rc'), '$(id) 1e99\n')
    await expect(follow(builder, 'liar').state).rejects.toMatchObject({ code: 'job-status-unreadable' })
  })
})
