import { constants } from 'node:fs'
import { access, stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { execa } from 'execa'
import type { Finding } from '#clouds/types.ts'
import type { Configuration } from '#src/config/types.ts'
import { formatBytes } from '#src/units.ts'

/** Content of one disk image; the lab's have 0.7 GiB, usual bootc images 1.5 to 3 GiB. */
const usualArtifactBytes = 3 * 1024 ** 3

/** Whether this machine can do its part: keep the artifacts, and talk to builders. */
export async function* hereFindings(
  { stateDirectory, architectures }: Pick<Configuration, 'stateDirectory' | 'architectures'>,
  path: string | undefined = process.env['PATH'],
): AsyncIterable<Finding> {
  yield await space(stateDirectory, architectures.length * usualArtifactBytes)
  yield await sshClient(path)
}

async function space(stateDirectory: string, usualBytes: number): Promise<Finding> {
  const subject = `state directory ${stateDirectory}`
  const elsewhere = 'Point FACTORY_HOME at a directory that you may write to, with room for the images.'
  const there = await nearestDirectory(stateDirectory)
  try {
    await access(there, constants.W_OK | constants.X_OK)
    const { bavail, bsize } = await statfs(there)
    const freeBytes = bavail * bsize
    const message = `${formatBytes(freeBytes)} free; a release usually keeps up to ${formatBytes(usualBytes)} there`
    if (freeBytes < usualBytes) return { severity: 'warning', subject, message, hint: elsewhere }
    return { severity: 'ok', subject, message }
  } catch (error) {
    const message = `cannot be used: ${(error as Error).message}`
    return { severity: 'error', subject, message, hint: elsewhere }
  }
}

/** The state directory itself is made by the first release. */
async function nearestDirectory(path: string): Promise<string> {
  for (let directory = path; ; directory = dirname(directory)) {
    const found = await stat(directory).catch(() => undefined)
    if (found || directory === dirname(directory)) return directory
  }
}

async function sshClient(path: string | undefined): Promise<Finding> {
  const subject = 'the program ssh'
  const ran = await execa('ssh', ['-V'], { reject: false, timeout: 10_000, env: { PATH: path } })
  if (ran.exitCode !== undefined) return { severity: 'ok', subject, message: `${ran.stderr.split(',')[0]}` }
  const message = `does not run: ${ran.shortMessage ?? 'no reason is known'}`
  const hint = 'Install the OpenSSH client: apt-get install openssh-client'
  return { severity: 'error', subject, message, hint }
}
