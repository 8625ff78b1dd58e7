import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { freePort } from '#test/servers/free-port.ts'

export interface GitServer extends AsyncDisposable {
  /** `git://127.0.0.1:PORT/images` */
  readonly url: string
  /** The repository itself, to break it. */
  readonly directory: string
  /** Writes the files (null removes one, `-> target` is a link), commits, and returns the commit. */
  commit(files: Readonly<Record<string, string | null>>): Promise<string>
  git(...argv: string[]): Promise<string>
}

const readyWithinMs = 30_000

/** A repository with a branch `main`, served over the loopback address by git's own daemon. */
export async function startGit(files: Readonly<Record<string, string>>): Promise<GitServer> {
  const base = await mkdtemp(join(tmpdir(), 'git-'))
  const directory = join(base, 'images')
  await mkdir(directory)
  const environment = {
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_SYSTEM: '/dev/null',
    GIT_AUTHOR_NAME: 'lab',
    GIT_AUTHOR_EMAIL: 'lab@localhost',
    GIT_COMMITTER_NAME: 'lab',
    GIT_COMMITTER_EMAIL: 'lab@localhost',
  }
  const git = async (...argv: string[]) =>
    (await execa('git', argv, { cwd: directory, env: environment })).stdout
  await git('init', '--quiet', '--initial-branch=main')
  const port = await freePort()
  const daemon = execa(
    'git',
    [
      'daemon',
      '--listen=127.0.0.1',
      `--port=${port}`,
      `--base-path=${base}`,
      '--export-all',
      '--reuseaddr',
      base,
    ],
    { reject: false, all: true, detached: true, env: environment },
  )
  await answers(port)
  const server: GitServer = {
    url: `git://127.0.0.1:${port}/images`,
    directory,
    git,
    async commit(changed) {
      for (const [name, content] of Object.entries(changed)) {
        const path = join(directory, name)
        await rm(path, { force: true })
        if (content === null) continue
        await mkdir(dirname(path), { recursive: true })
        if (content.startsWith('-> ')) await symlink(content.slice(3), path)
        else await writeFile(path, content)
      }
      await git('add', '--all')
      await git('commit', '--quiet', '--allow-empty', '--message', Object.keys(changed).join(' '))
      return await git('rev-parse', 'HEAD')
    },
    async [Symbol.asyncDispose]() {
      // The daemon is a child of the git that was started.
      if (daemon.pid !== undefined) process.kill(-daemon.pid, 'SIGKILL')
      await daemon
      await rm(base, { recursive: true, force: true })
    },
  }
  await server.commit(files)
  return server
}

async function answers(port: number): Promise<void> {
  const deadline = AbortSignal.timeout(readyWithinMs)
  while (!(await opens(port))) {
    if (deadline.aborted) throw new Error(`git daemon does not answer on port ${port}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function opens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true))
    socket.on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
}
