import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ExecaError, execa } from 'execa'
import type { NoCloudSeed } from '#src/builder/seed.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import type { Pool } from './pools.ts'
import { inTemporaryDirectory } from './temporary.ts'
import { createVolume, uploadFile } from './volumes.ts'

/**
 * Puts a NoCloud seed into the pool as an ISO image labelled `cidata`, mode 0600, and returns its path there.
 * The private key inside passes only through files in a directory that nobody else can read.
 */
export async function createSeedVolume(
  pool: Pool,
  name: string,
  seed: NoCloudSeed,
  ctx: Pick<Context, 'signal'>,
): Promise<string> {
  return await inTemporaryDirectory(async (directory) => {
    const files = Object.entries({
      'user-data': seed.userData,
      'meta-data': seed.metaData,
      'network-config': seed.networkConfig,
    }).filter((entry): entry is [string, string] => entry[1] !== undefined)
    for (const [file, content] of files) await writeFile(join(directory, file), content, { mode: 0o600 })

    const iso = join(directory, 'seed.iso')
    const options = ['-quiet', '-output', iso, '-volid', 'cidata', '-joliet', '-rational-rock']
    await runXorrisofs([...options, ...files.map(([file]) => file)], directory, ctx.signal)
    const { size } = await stat(iso)
    const path = await createVolume(pool, { name, capacityBytes: size, format: 'raw' }, ctx)
    await uploadFile(pool, name, iso, ctx)
    return path
  })
}

async function runXorrisofs(argv: string[], directory: string, signal: AbortSignal): Promise<void> {
  try {
    await execa('xorrisofs', argv, { cwd: directory, cancelSignal: signal, timeout: 30_000, stdin: 'ignore' })
  } catch (error) {
    if (signal.aborted || !(error instanceof ExecaError)) throw error
    if (error.code === 'ENOENT') throw xorrisoMissing(error)
    throw new FactoryError({
      code: 'seed-failed',
      message: `the seed of a builder could not be made: ${String(error.stderr).slice(0, 1000)}`,
      hint: 'Is there no space left here? Look at: df -h /dev/shm /tmp',
      class: 'infra',
      cause: error,
    })
  }
}

function xorrisoMissing(cause: ExecaError): FactoryError {
  return new FactoryError({
    code: 'xorriso-missing',
    message: 'the program xorrisofs is not installed here',
    hint: 'Install it: apt-get install xorriso   (Fedora: dnf install xorriso)',
    class: 'user',
    cause,
  })
}
