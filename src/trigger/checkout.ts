import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

export interface Checkout extends AsyncDisposable {
  /** Absolute path of the root of the tree; there is no `.git` in it. */
  readonly directory: string
}

type Write = (commit: string, directory: string, signal: AbortSignal) => Promise<void>

/**
 * Trees of commits in a directory, each called by its commit. One is there whole or not at all, and goes when nobody uses
 * it any more. What an earlier process left is not believed: a power cut may have emptied its files.
 */
export function checkoutsIn(directory: string, write: Write) {
  const users = new Map<string, number>()
  let emptied = false

  async function make(commit: string, signal: AbortSignal): Promise<void> {
    if (!emptied) await rm(directory, { recursive: true, force: true })
    emptied = true
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const temporary = await mkdtemp(join(directory, 'incoming-'))
    try {
      const tree = join(temporary, 'tree')
      await mkdir(tree)
      await write(commit, tree, signal)
      await withUsualModes(tree)
      await rename(tree, join(directory, commit))
    } finally {
      await rm(temporary, { recursive: true, force: true })
    }
  }

  return {
    async open(commit: string, signal: AbortSignal): Promise<Checkout> {
      const before = users.get(commit) ?? 0
      if (before === 0) await make(commit, signal)
      users.set(commit, (users.get(commit) ?? 0) + 1)
      let open = true
      return {
        directory: join(directory, commit),
        async [Symbol.asyncDispose]() {
          if (!open) return
          open = false
          const left = (users.get(commit) ?? 1) - 1
          users.set(commit, left)
          if (left > 0) return
          users.delete(commit)
          await removeTree(directory, commit)
        },
      }
    },
  }
}

/** Under another name first, so that the next one of this commit can be made meanwhile. */
async function removeTree(directory: string, commit: string): Promise<void> {
  const leaving = await mkdtemp(join(directory, 'leaving-'))
  await rename(join(directory, commit), join(leaving, 'tree'))
  await rm(leaving, { recursive: true, force: true })
}

/** Modes go into the digest of a build context, and git's depend on the umask of the process. */
async function withUsualModes(directory: string): Promise<void> {
  await chmod(directory, 0o755)
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) await withUsualModes(path)
    else if (entry.isFile()) await chmod(path, (await stat(path)).mode & 0o100 ? 0o755 : 0o644)
  }
}
