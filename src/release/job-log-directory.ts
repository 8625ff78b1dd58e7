import { join } from 'node:path'
import type { ArchitectureName } from '#arch/index.ts'
import { releaseDirectory } from './scope.ts'

/** Where our copies of the logs of one architecture's jobs lie: raw and unmasked, only for this machine's eyes. */
export function jobLogDirectory(stateDirectory: string, release: string, arch: ArchitectureName): string {
  return join(releaseDirectory(stateDirectory, release), arch, 'jobs')
}
