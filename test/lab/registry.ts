import { spawn } from 'node:child_process'
import { open, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FactoryError } from '#src/errors.ts'
import { isRegistry, registryAnswers, writeRegistryConfiguration } from '#test/servers/registry.ts'
import { labCacheDirectory, type Report } from './cache.ts'

/** The lab's registry as references name it; the lab's builders know it under this name too. */
export const labRegistryHost = 'localhost:5055'

const port = 5055
const readyWithinMs = 15_000
const endsWithinMs = 10_000

/**
 * Starts the lab's registry unless it answers already. It outlives the program that started it and keeps what it holds
 * between runs in the lab's cache.
 */
export async function ensureLabRegistry(report: Report): Promise<void> {
  if (await isRegistry(port)) return
  report(`starting the lab's registry on 127.0.0.1:${port}`)
  const configuration = await writeRegistryConfiguration(join(labCacheDirectory(), 'registry'), port)
  const log = await open(logFile(), 'a')
  const server = spawn('docker-registry', ['serve', configuration], {
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  })
  await new Promise((resolve, reject) => {
    server.once('spawn', resolve)
    server.once('error', reject)
  }).finally(() => log.close())
  server.unref()
  try {
    await registryAnswers(port, readyWithinMs)
  } catch (error) {
    throw new FactoryError({
      code: 'lab-registry-unavailable',
      message: `the lab's registry did not start on 127.0.0.1:${port}`,
      hint: `See ${logFile()}; another program may hold the port (ss -ltnp 'sport = :${port}').`,
      class: 'infra',
      cause: error,
    })
  }
  // Where two programs start it at once one of the servers ends by itself; only the one that lives is written down.
  if (server.exitCode === null) await writeFile(pidFile(), `${server.pid}\n`)
}

/** Ends the lab's registry where this lab started it; what it holds stays. */
export async function stopLabRegistry(): Promise<void> {
  const processId = Number(await readFile(pidFile(), 'utf8').catch(() => 'NaN'))
  await rm(pidFile(), { force: true })
  if (!Number.isInteger(processId) || !(await isOurs(processId))) return
  process.kill(processId)
  const deadline = AbortSignal.timeout(endsWithinMs)
  while (await isOurs(processId)) {
    if (deadline.aborted) throw new Error(`docker-registry (process ${processId}) does not end`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** A process id can belong to somebody else after a restart of the machine. */
async function isOurs(processId: number): Promise<boolean> {
  const commandLine = await readFile(`/proc/${processId}/cmdline`, 'utf8').catch(() => '')
  return commandLine.split('\0')[0]?.endsWith('docker-registry') ?? false
}

function pidFile(): string {
  return join(labCacheDirectory(), 'registry.pid')
}

function logFile(): string {
  return join(labCacheDirectory(), 'registry.log')
}
