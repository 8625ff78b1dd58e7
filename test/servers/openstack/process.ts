import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/** Where a service finds the directory of its test. */
export const inTree = '/mnt'

const readyWithinMs = 120_000

/**
 * Behind a database server transactions wait for each other; SQLite refuses one that began by reading when another one has
 * written meanwhile, unless it takes the lock at its beginning.
 */
const waitingTransactions = `import sqlite3

class Cursor(sqlite3.Cursor):
    def execute(self, sql, *values):
        return super().execute('BEGIN IMMEDIATE' if sql.strip() == 'BEGIN' else sql, *values)

class Connection(sqlite3.Connection):
    def cursor(self, factory=Cursor):
        return super().cursor(factory)

connect = sqlite3.connect
sqlite3.connect = sqlite3.dbapi2.connect = lambda *words, **named: connect(*words, **{'factory': Connection, **named})
`

export interface ServiceRequest {
  tree: string
  /** Of the test: configuration, databases, logs. */
  directory: string
  name: string
  port: number
  wsgiFile: string
  env: Record<string, string>
  /** Whether its transactions take the lock at their beginning; Keystone's are nested and cannot. */
  isWaiting: boolean
}

/** A WSGI service of the tree under uwsgi, as Debian runs it, with the test's directory mounted where nobody else sees it. */
export async function startService(request: ServiceRequest): Promise<AsyncDisposable> {
  const { tree, directory, name, port, wsgiFile, env, isWaiting } = request
  const logFile = join(directory, `${name}.out`)
  const log = await open(logFile, 'w')
  const own = `${name}-service.py`
  const start = `exec(compile(open('${wsgiFile}').read(), '${wsgiFile}', 'exec'))\n`
  await writeFile(join(directory, own), `${isWaiting ? waitingTransactions : ''}${start}`)
  const uwsgi = ['uwsgi_python3', '--http-socket', `127.0.0.1:${port}`, '--wsgi-file', `${inTree}/${own}`]
  // Without a master it is one process, and gone when that is.
  uwsgi.push('--threads', '6', '--enable-threads', '--buffer-size', '65535', '--need-app')
  // Also when the machine has other things to do.
  uwsgi.push('--socket-timeout', '60')
  uwsgi.push('--rem-header', 'Content-Length', '--add-header', 'Connection: close', '--disable-logging')
  const script = 'mount --bind "$1" "$2$3" && shift && tree="$1" && shift 2 && exec chroot "$tree" "$@"'
  const argv = [
    '--pdeathsig',
    'KILL',
    'unshare',
    '--mount',
    'sh',
    '-c',
    script,
    'sh',
    directory,
    tree,
    inTree,
  ]
  const server = spawn('setpriv', [...argv, ...uwsgi], {
    stdio: ['ignore', log.fd, log.fd],
    env: {
      PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
      LC_ALL: 'C.UTF-8',
      // The tree is shared by all that run.
      PYTHONDONTWRITEBYTECODE: '1',
      ...env,
    },
  })
  const ended = once(server, 'exit')
  await log.close()
  const waiting = new AbortController()
  const stop = async () => {
    waiting.abort()
    server.kill('SIGKILL')
    await ended
  }
  try {
    await Promise.race([
      answering(`http://127.0.0.1:${port}/`, waiting.signal),
      ended.then(async () => {
        throw new Error(`${name} ended before it answered: ${await readFile(logFile, 'utf8')}`)
      }),
    ])
  } catch (error) {
    await stop()
    throw error
  }
  return { [Symbol.asyncDispose]: stop }
}

async function answering(url: string, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + readyWithinMs
  while (!signal.aborted) {
    const answer = await fetch(url, { signal }).catch(() => undefined)
    await answer?.body?.cancel()
    if (answer) return
    if (Date.now() > deadline) throw new Error(`nothing answered at ${url} in ${readyWithinMs} ms`)
    await pause(50)
  }
}
