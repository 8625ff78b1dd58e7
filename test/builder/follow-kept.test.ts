import { appendFile, mkdir, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import { followKept } from '#src/builder/follow-kept.ts'
import { openBuilder } from '#src/builder/session.ts'
import type { Builder } from '#src/builder/types.ts'
import { runJob, type Transcript } from '#src/container/transcript.ts'
import { eventually, startSshServer } from '#test/servers/sshd.ts'
import type { SshServer } from '#test/servers/sshd.ts'
import type { KeptRun, Told } from './kept-run.ts'
import { type TestContext, testContext } from './test-context.ts'

const limitMs = 50_000
const program = new URL('kept-run.ts', import.meta.url).pathname

const jobsOf = (server: SshServer) => join(server.directory, 'jobs')
const logsOf = (server: SshServer) => join(server.directory, 'state/releases/1/x86_64/jobs')
const copyFile = (server: SshServer) => join(logsOf(server), 'build.log')
const copyOf = (server: SshServer) => readFile(copyFile(server))
const logOf = (server: SshServer) => readFile(join(jobsOf(server), 'build/log'))

function open(server: SshServer): Promise<Builder> {
  return openBuilder(server.ref, server.access, testContext(), { jobsDirectory: jobsOf(server) })
}

/** Runs the job `build` in this process, or goes on with it. */
async function run(server: SshServer, script: string, ctx: TestContext = testContext()): Promise<Transcript> {
  await using builder = await open(server)
  const job = { id: 'build', script, logDirectory: logsOf(server), deadline: Date.now() + limitMs }
  return await runJob(builder, job, ctx)
}

/** Runs the job `build` in a process of its own, which can be killed. */
function startRun(server: SshServer, script: string, name: string) {
  const toldFile = join(server.directory, `told-${name}`)
  const { ref, access } = server
  const asked: KeptRun = {
    ref,
    login: { privateKeyFile: access.privateKeyFile },
    jobsDirectory: jobsOf(server),
    logDirectory: logsOf(server),
    id: 'build',
    script,
    toldFile,
  }
  const ended = execa(process.execPath, [program, JSON.stringify(asked)], { reject: false })
  const told = async () => {
    const text = await readFile(toldFile, 'utf8').catch(() => '')
    return linesOf(text).flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Told]))
  }
  return { told, ended, kill: () => ended.kill('SIGKILL') }
}

const linesOf = (log: Buffer | string) => log.toString().replace(/\n$/, '').split('\n')

describe('a run that is killed in the middle of a job', () => {
  test.each(['while the job goes on', 'after the job has ended'])(
    'is gone on with %s: it was started once, no byte is taken twice, none is lost, every line is shown',
    async (when) => {
      await using server = await startSshServer()
      const go = join(server.directory, 'go')
      const runs = join(server.directory, 'runs')
      const script = `
        echo run >>'${runs}'
        seq 1000
        printf '\\033[1mhalf'
        until [ -e '${go}' ]; do sleep 0.05; done
        printf ' and \\033[0mwhole\\n'
        seq 2000
        exit 3`
      const first = startRun(server, script, 'first')
      await eventually('half a line in the copy', async () =>
        (await copyOf(server).catch(() => Buffer.of())).toString().endsWith('half'),
      )
      first.kill()
      expect(await first.ended).toMatchObject({ signal: 'SIGKILL' })
      const keptBytes = (await stat(copyFile(server))).size
      expect((await first.told())[0]).toEqual({ fromByte: 0 })

      if (when === 'after the job has ended') {
        await writeFile(go, '')
        await eventually('the end', () => stat(join(jobsOf(server), 'build/rc')).catch(() => undefined))
      }
      const second = startRun(server, script, 'second')
      await eventually('the second follow', async () =>
        (await second.told()).some(({ fromByte }) => fromByte !== undefined),
      )
      await writeFile(go, '')
      await second.ended
      const told = await second.told()

      const log = await logOf(server)
      expect((await copyOf(server)).equals(log)).toBe(true)
      expect(log.includes('\u001b')).toBe(true)
      expect(told.filter(({ fromByte }) => fromByte !== undefined)).toEqual([{ fromByte: keptBytes }])
      expect(keptBytes + told.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0)).toBe(log.length)
      expect(told.at(-1)).toEqual({ exitCode: 3 })
      const numbers = (count: number) => Array.from({ length: count }, (_, index) => String(index + 1))
      const lines = [...numbers(1000), 'half and whole', ...numbers(2000)]
      expect(told.flatMap(({ line }) => line ?? [])).toEqual(lines)
      const [why, ...logged] = told.flatMap(({ log }) => log ?? [])
      expect(why).toMatch(/earlier run was cut off.*from its beginning/)
      expect(logged).toEqual(lines)
      expect(await readFile(runs, 'utf8')).toBe('run\n')
    },
  )
})

describe('our copy of a log', () => {
  test('is for the eyes of its owner only', async () => {
    await using server = await startSshServer()
    await run(server, 'echo secret')
    expect((await stat(copyFile(server))).mode & 0o777).toBe(0o600)
    for (const directory of [logsOf(server), join(server.directory, 'state')]) {
      expect((await stat(directory)).mode & 0o777).toBe(0o700)
    }
  })

  test.each<[string, (file: string) => Promise<void>]>([
    ['one byte is another', async (file) => writeFile(file, flipped(await readFile(file)))],
    [
      'its end is zeros, as a power cut leaves it',
      async (file) => writeFile(file, zeroed(await readFile(file))),
    ],
    ['it has more than was written', (file) => appendFile(file, 'one more line\n')],
  ])('is mended when %s', async (_, damage) => {
    await using server = await startSshServer()
    await run(server, 'seq 300; exit 4')
    await damage(copyFile(server))
    const damaged = await copyOf(server)

    const ctx = testContext()
    const transcript = await run(server, 'seq 300; exit 4', ctx)
    const log = await logOf(server)
    expect((await copyOf(server)).equals(log)).toBe(true)
    expect(transcript).toEqual({ exitCode: 4, lastLines: linesOf(log) })
    expect(ctx.lines.filter((line) => /damaged.*once more/.test(line))).toHaveLength(1)
    expect((await readFile(`${copyFile(server)}.replaced`)).equals(damaged)).toBe(true)
  })

  test('is gone on with where it ends when its end never reached the disk', async () => {
    await using server = await startSshServer()
    await run(server, 'seq 300')
    await truncate(copyFile(server), 777)
    const ctx = testContext()
    await run(server, 'seq 300', ctx)
    expect((await copyOf(server)).equals(await logOf(server))).toBe(true)
    expect(ctx.lines.some((line) => /damaged/.test(line))).toBe(false)
    expect(ctx.lines.slice(1)).toEqual(linesOf(await logOf(server)))
  })

  test('that cannot be made the same as the builder says fails the job', async () => {
    await using server = await startSshServer({
      lies: { sha256sum: `cat >/dev/null; echo "${'0'.repeat(64)}  -"` },
    })
    await expect(run(server, 'seq 300')).rejects.toMatchObject({
      code: 'job-log-differs',
      class: 'infra',
      context: { job: 'build', theirs: { sizeBytes: 1092, sha256: '0'.repeat(64) } },
    })
    expect((await copyOf(server)).equals(await logOf(server))).toBe(true)
  })

  test('is not held against an answer that is none', async () => {
    await using server = await startSshServer({ lies: { sha256sum: `cat >/dev/null; echo '$(id)'` } })
    await expect(run(server, 'true')).rejects.toMatchObject({ code: 'job-status-unreadable' })
  })

  test('is not damaged by what a process writes that outlives its job', async () => {
    await using server = await startSshServer()
    await using builder = await open(server)
    const outlived: Builder = {
      ...builder,
      async jobLog(id, firstBytes) {
        await appendFile(join(jobsOf(server), 'build/log'), 'a straggler\n')
        return await builder.jobLog(id, firstBytes)
      },
    }
    const ctx = testContext()
    const job = {
      id: 'build',
      script: 'echo done',
      logDirectory: logsOf(server),
      deadline: Date.now() + limitMs,
    }
    expect((await runJob(outlived, job, ctx)).exitCode).toBe(0)
    expect((await copyOf(server)).toString()).toBe('done\n')
    expect(ctx.lines).toEqual(['done'])
  })

  test('has all that a job wrote which was killed', async () => {
    await using server = await startSshServer()
    const killed = run(server, 'seq 300; kill -9 $PPID; exec sleep 60')
    await expect(killed).rejects.toMatchObject({ code: 'job-lost', context: { state: 'killed' } })
    expect((await copyOf(server)).equals(await logOf(server))).toBe(true)
  })

  test('stays within the limit of logs, also when it is gone on with', async () => {
    await using server = await startSshServer()
    await using builder = await open(server)
    await builder.startJob('build', 'yes "a flood of text"')
    const options = { logDirectory: logsOf(server), limitMs, maxLogBytes: 500_000 }
    const follow = () => followKept(builder, 'build', { ...options, onLine() {}, onFirstLineAgain() {} })
    for (const _ of [1, 2]) {
      await expect(follow()).rejects.toMatchObject({ code: 'job-log-too-large' })
      expect((await stat(copyFile(server))).size).toBeLessThanOrEqual(500_000)
    }
  })
})

describe('a log that cannot be kept', () => {
  test('fails the job when the disk is full, and goes on when there is room again', async () => {
    await using server = await startSshServer()
    await mkdir(logsOf(server), { recursive: true })
    const script = 'seq 100000'
    await execa('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', logsOf(server)])
    try {
      await expect(run(server, script)).rejects.toMatchObject({
        code: 'job-log-not-kept',
        class: 'user',
        message: expect.stringMatching(/build\.log: ENOSPC/),
        hint: expect.stringContaining('state directory'),
      })
      await execa('mount', ['-o', 'remount,size=4m', logsOf(server)])
      expect((await run(server, script)).exitCode).toBe(0)
      expect((await copyOf(server)).equals(await logOf(server))).toBe(true)
    } finally {
      await execa('umount', [logsOf(server)])
    }
  })

  test('fails the job when something else is in the place of the directory', async () => {
    await using server = await startSshServer()
    await writeFile(join(server.directory, 'state'), '')
    await expect(run(server, 'true')).rejects.toMatchObject({ code: 'job-log-not-kept', class: 'user' })
  })
})

function flipped(bytes: Buffer): Buffer {
  bytes[100] = (bytes[100] ?? 0) ^ 1
  return bytes
}

function zeroed(bytes: Buffer): Buffer {
  return bytes.fill(0, 400)
}
