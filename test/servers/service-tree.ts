import { rm } from 'node:fs/promises'
import { debianMirror } from '#test/lab/mirror.ts'
import { makeTree } from '#test/lab/mmdebstrap.ts'

export const suite = 'trixie'
/** A mirror in the middle of a point release is sometimes whole only under the other name. */
const suiteNames = [suite, 'stable']
const deadlineMs = 10 * 60_000

/** Installs a Debian with services in it into an empty directory, for this machine's architecture. */
export async function installServices(
  directory: string,
  packages: readonly string[],
  leftOut: readonly string[] = [],
): Promise<void> {
  const mirror = await debianMirror()
  const options = ['--mode=root', '--variant=minbase', `--include=${packages.join(',')}`]
  const without = leftOut.map((path) => `--dpkgopt=path-exclude=${path}`)
  for (const [index, name] of suiteNames.entries()) {
    const argv = [...options, ...without, name, directory, `deb ${mirror} ${name} main`]
    try {
      await makeTree(argv, deadlineMs)
      return
    } catch (error) {
      if (index === suiteNames.length - 1) throw error
      await rm(directory, { recursive: true, force: true })
    }
  }
}
