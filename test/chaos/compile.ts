import { dirname, join } from 'node:path'
import { tmpdir } from 'node:os'
import { pathToFileURL } from 'node:url'
import { type Plugin, rolldown } from 'rolldown'
import type { TestProject } from 'vitest/node'

/**
 * child.ts and all that it imports as a few files of JavaScript. The sweeps start more than a thousand children, and to look
 * up, strip and compile hundreds of modules costs each of them more than the release that it then runs.
 */
export async function setup(project: TestProject): Promise<void> {
  const directory = join(tmpdir(), 'factory-chaos-child')
  const compile = async () => {
    await using made = await rolldown({
      input: new URL('./child.ts', import.meta.url).pathname,
      platform: 'node',
      // Parts of ssh2 in C, which it does without.
      external: [/\.node$/, 'cpu-features'],
      plugins: [ownPlaces],
      logLevel: 'silent',
    })
    await made.write({ dir: directory })
  }
  await compile()
  project.onTestsRerun(compile)
  // For the processes of the tests, which are started later.
  process.env['CHAOS_CHILD'] = join(directory, 'child.js')
}

/** What a module loads from beside itself stays there. */
const ownPlaces: Plugin = {
  name: 'own-places',
  transform: (code, path) =>
    code
      .replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href))
      .replaceAll(/\b__dirname\b/g, JSON.stringify(dirname(path))),
}
