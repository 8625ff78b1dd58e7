import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { execa } from 'execa'

const launcher = new URL('../../src/launcher.js', import.meta.url).pathname

export interface ServingProcess extends AsyncDisposable {
  readonly pid: number
  kill(signal: 'SIGKILL' | 'SIGTERM'): void
  /** Resolves when it has ended. */
  readonly ended: Promise<{ exitCode: number | undefined }>
  /** Of the page, of the first one that is there. */
  readonly url: string
  /** Waits for a line that it says, from its start on; returns what the pattern's first group found, or the line. */
  until(pattern: RegExp): Promise<string>
}

/** Starts `factory serve` where a factory.yaml is, and waits until it answers; killed in the end unless it has ended. */
export async function serving(
  cwd: string,
  { stateDirectory = '', configurations = [] }: { stateDirectory?: string; configurations?: string[] } = {},
): Promise<ServingProcess> {
  const env = { FACTORY_HOME: stateDirectory }
  const child = execa(process.execPath, [launcher, 'serve', ...configurations], { cwd, env, reject: false })
  const said: string[] = []
  const lines = createInterface(child.stderr)
  lines.on('line', (line) => said.push(line))
  const until = async (pattern: RegExp): Promise<string> => {
    for (;;) {
      const found = said.find((line) => pattern.test(line))
      if (found !== undefined) return pattern.exec(found)![1] ?? found
      const ended = await Promise.race([once(lines, 'line').then(() => false), child.then(() => true)])
      if (ended) throw new Error(`it ended before it said ${pattern}: ${said.join('\n')}`)
    }
  }
  const url = await until(/^(?:\[[^\]]+\] )?Serving on (\S+)/)
  return {
    pid: child.pid ?? 0,
    kill: (signal) => void child.kill(signal),
    ended: child.then(({ exitCode }) => ({ exitCode })),
    url,
    until,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await child
    },
  }
}
