import type { Context } from '#src/context.ts'
import { followJob } from './follow.ts'
import { jobLog, startJob, stopJob } from './jobs.ts'
import { makeLink } from './link.ts'
import { openOpenSsh } from './openssh.ts'
import { writeRemoteFile } from './remote-files.ts'
import { replaceHostKey, usualHostKeyFile } from './replace-host-key.ts'
import { makeShell } from './shell.ts'
import { fetchFile } from './transfer/fetch.ts'
import { sendTree } from './tree.ts'
import type { Builder, BuilderLogin, BuilderRef } from './types.ts'

export interface SessionOptions {
  /** Milliseconds that a booting machine has to answer for the first time; default 5 minutes. */
  readyLimitMs?: number
  /** Milliseconds that a machine may be gone later on; default 120 000. */
  reconnectLimitMs?: number
  /** Where jobs live on the builder; default /var/lib/factory/jobs. */
  jobsDirectory?: string
  /** Where sshd of the builder has its host key; default /etc/ssh/ssh_host_ed25519_key. */
  hostKeyFile?: string
}

/**
 * Opens a session with a builder, waiting for it to boot. The first answer must come with the pinned host key; anything
 * else is `host-key-mismatch` at once. A host key that others may have seen is replaced before anything else is done. Throws `builder-unreachable` when it does not answer in time.
 */
export async function openBuilder(
  ref: BuilderRef,
  login: BuilderLogin,
  ctx: Context,
  options: SessionOptions = {},
): Promise<Builder> {
  const jobs = options.jobsDirectory ?? '/var/lib/factory/jobs'
  const link = makeLink(ref, login, ctx, {
    readyLimitMs: options.readyLimitMs ?? 5 * 60_000,
    reconnectLimitMs: options.reconnectLimitMs ?? 120_000,
  })
  await using opening = new AsyncDisposableStack()
  opening.use(link)
  await link.client()
  const shell = makeShell(ref, link, ctx)
  await replaceHostKey(shell, login, options.hostKeyFile ?? usualHostKeyFile)
  const ssh = await openOpenSsh(ref, login)
  const resources = opening.move()
  return {
    ref,
    async exec(argv, execOptions) {
      const result = await shell.run(argv, execOptions)
      return { ...result, stdout: result.stdout.toString() }
    },
    writeFile: (path, content, mode = 0o600) => writeRemoteFile(shell, path, content, mode),
    startJob: (id, script) => startJob(shell, jobs, id, script),
    followJob: (id, followOptions) => followJob(shell, jobs, id, followOptions),
    jobLog: (id, firstBytes) => jobLog(shell, jobs, id, firstBytes),
    stopJob: (id) => stopJob(shell, jobs, id),
    sendTree: (directory, paths, remoteDirectory) => sendTree(shell, ssh, directory, paths, remoteDirectory),
    fetch: (path, destination, fetchOptions) => fetchFile(shell, ssh, path, destination, fetchOptions),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}
