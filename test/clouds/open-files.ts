import { readFile, readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'

export interface OpenFile {
  /** As the kernel says it: a file that was unlinked ends with ` (deleted)`. */
  path: string
  /** Where the content can still be read. */
  descriptor: string
}

/** The files that any QEMU on this machine has open and whose path contains `part`. */
export async function openInQemu(part: string): Promise<OpenFile[]> {
  const files: OpenFile[] = []
  for (const process of await readdir('/proc')) {
    const command = await readFile(join('/proc', process, 'comm'), 'utf8').catch(() => '')
    if (!command.startsWith('qemu-system')) continue
    const directory = join('/proc', process, 'fd')
    for (const name of await readdir(directory).catch(() => [])) {
      const descriptor = join(directory, name)
      const path = await readlink(descriptor).catch(() => '')
      if (path.includes(part)) files.push({ path, descriptor })
    }
  }
  return files
}
