import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { releaseDirectory } from '#src/release/scope.ts'
import { visible } from '#src/ui/visible.ts'

/** More than a screen of lines, and little enough to read on every look. */
const tailBytes = 64 * 1024

/** The last lines of the step log that was written to last, masked as it is on the disk; none where there is no log. */
export async function logTail(
  stateDirectory: string,
  { release, arch, lines }: { release: string; arch: string; lines: number },
): Promise<string[]> {
  const newest = await newestLog(join(releaseDirectory(stateDirectory, release), arch))
  if (newest === undefined) return []
  await using file = await open(newest)
  const { size } = await file.stat()
  const start = Math.max(0, size - tailBytes)
  const buffer = Buffer.alloc(size - start)
  const { bytesRead } = await file.read(buffer, 0, buffer.length, start)
  const whole = buffer.subarray(0, bytesRead).toString('utf8').split('\n')
  if (start > 0) whole.shift()
  if (whole.at(-1) === '') whole.pop()
  return whole.slice(-lines).map(visible)
}

async function newestLog(directory: string): Promise<string | undefined> {
  const names = await readdir(directory).catch(() => [])
  const dated = await Promise.all(
    names
      .filter((name) => name.endsWith('.log'))
      .map(async (name) => ({
        file: join(directory, name),
        at: (await stat(join(directory, name))).mtimeMs,
      })),
  )
  return dated.toSorted((one, other) => other.at - one.at)[0]?.file
}
