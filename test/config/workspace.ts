import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export interface Workspace extends AsyncDisposable {
  readonly directory: string
  write(name: string, content: string): Promise<string>
}

/** An empty directory with the given files that goes when it is disposed of. */
export async function makeWorkspace(files: Record<string, string> = {}): Promise<Workspace> {
  const directory = await mkdtemp(join(tmpdir(), 'configuration-'))
  const write = async (name: string, content: string) => {
    const path = join(directory, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, content)
    return path
  }
  for (const [name, content] of Object.entries(files)) await write(name, content)
  return {
    directory,
    write,
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}
