import { glob, readFile, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'

/** Path (relative to this folder) → content of every file that the patterns match: the part of a recipe that is files. */
export async function fileContents(patterns: readonly string[]): Promise<Record<string, string>> {
  const paths = new Set<string>()
  for await (const path of glob(patterns, { cwd: import.meta.dirname }))
    paths.add(join(import.meta.dirname, path))
  const contents: Record<string, string> = {}
  for (const path of [...paths].toSorted()) {
    if ((await stat(path)).isFile())
      contents[relative(import.meta.dirname, path)] = await readFile(path, 'utf8')
  }
  return contents
}
