import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { parse, stringify } from 'yaml'
import type { FactoryEvent } from '#src/events.ts'
import { labConfiguration } from '#test/lab/lab.ts'
import { virsh } from '#test/lab/libvirt.ts'

const launcher = new URL('../../src/launcher.js', import.meta.url).pathname
const containerfile = new URL('../../containerfiles/lab', import.meta.url).pathname
const limitMs = 20 * 60_000

export interface FactoryRun {
  exitCode: number
  events: FactoryEvent[]
  stdout: string
  stderr: string
}

export interface Workspace extends AsyncDisposable {
  directory: string
  /** What everything of this workspace is called in libvirt. */
  name: string
  containerfile: string
  /** The state directory. */
  state: string
  /** Starts one command line of the factory, to be ended by SIGKILL after that many milliseconds unless it has ended. */
  killAfter(ms: number, ...words: string[]): Promise<{ killed: boolean; exitCode: number; stderr: string }>
  /** Runs one command line of the factory in this workspace. */
  factory(...words: string[]): Promise<{ exitCode: number; stdout: string; stderr: string }>
  /** Runs `factory release` with NDJSON events; `onEvent` may act while it runs. */
  release(
    words: string[],
    onEvent?: (event: FactoryEvent, process: { kill(signal: 'SIGINT'): void }) => void,
  ): Promise<FactoryRun>
  /** Names of our domains, whatever their state. */
  domains(): Promise<string[]>
  /** Names of this workspace's images and what lies beside them. */
  volumes(): Promise<string[]>
  /** Volumes of machines that came since the workspace was opened and are still there. */
  leftovers(): Promise<string[]>
}

/**
 * A copy of the lab's configuration with a name, a state directory and a Containerfile of its own, so that tests and
 * the quickstart do not see each other. Everything that it published is deleted in the end.
 */
export async function openWorkspace(
  change: (configuration: LabFile) => void = () => {},
  env: Record<string, string> = {},
): Promise<Workspace> {
  const directory = await mkdtemp(join(tmpdir(), 'factory-e2e-'))
  const name = `e2e-${directory
    .slice(-6)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, 'x')}`
  await cp(containerfile, join(directory, 'context'), { recursive: true })
  const file = parse(await readFile(labConfiguration, 'utf8')) as LabFile
  file.image = { name, containerfile: 'context/Containerfile', push: `localhost:5055/${name}/image` }
  change(file)
  await writeFile(join(directory, 'factory.yaml'), stringify(file))
  await mkdir(join(directory, 'state'), { mode: 0o700 })

  const options = {
    cwd: directory,
    env: { ...env, FACTORY_HOME: join(directory, 'state') },
    reject: false,
    timeout: limitMs,
  }
  const run = (words: string[]) => execa(process.execPath, [launcher, ...words], options)
  const volumes = async () => (await volumeNames('images')).filter((volume) => volume.includes(name))
  const before = await volumeNames('factory-lab')
  return {
    directory,
    name,
    containerfile: join(directory, 'context', 'Containerfile'),
    state: join(directory, 'state'),
    async killAfter(ms, ...words) {
      const process = run(words)
      const timer = setTimeout(() => process.kill('SIGKILL'), ms)
      const { exitCode, signal, stderr } = await process
      clearTimeout(timer)
      return { killed: signal === 'SIGKILL', exitCode: exitCode ?? -1, stderr }
    },
    async factory(...words) {
      const { exitCode, stdout, stderr } = await run(words)
      return { exitCode: exitCode ?? -1, stdout, stderr }
    },
    async release(words, onEvent) {
      const process = run(['release', '--output', 'json', ...words])
      const events: FactoryEvent[] = []
      const other: string[] = []
      for await (const line of process.iterable({ from: 'stderr' })) {
        if (!line.startsWith('{')) {
          other.push(line)
          continue
        }
        const event = JSON.parse(line) as FactoryEvent
        events.push(event)
        onEvent?.(event, process)
      }
      const { exitCode, stdout } = await process
      return { exitCode: exitCode ?? -1, events, stdout, stderr: other.join('\n') }
    },
    async domains() {
      const { stdout } = await virsh(['list', '--all', '--name'])
      const ours: string[] = []
      for (const domain of stdout.split('\n').filter((line) => line.startsWith('factory-'))) {
        const { stdout: xml } = await virsh(['dumpxml', domain]).catch(() => ({ stdout: '' }))
        if (xml.includes(`>${name}<`) || xml.includes(`"${name}"`) || xml.includes(`'${name}'`))
          ours.push(domain)
      }
      return ours
    },
    volumes,
    async leftovers() {
      return (await volumeNames('factory-lab')).filter((volume) => !before.includes(volume))
    },
    async [Symbol.asyncDispose]() {
      for (const volume of await volumes()) await virsh(['vol-delete', volume, '--pool', 'images'])
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function volumeNames(pool: string): Promise<string[]> {
  await virsh(['pool-refresh', pool])
  const { stdout } = await virsh(['vol-list', pool])
  return stdout.split('\n').flatMap((line) => line.trim().split(/\s+/)[0] || [])
}

/** The parts of test/lab/factory.yaml that tests change. */
export interface LabFile {
  image: { name: string; containerfile: string; push?: string }
  disk: Record<string, unknown>
  clouds: Record<string, Record<string, unknown>>
  builders: Record<string, string[]>
  publish: { to: string; arch: string[]; format: string; verify?: boolean }[]
  require: string
  limits?: Record<string, string>
}

/** Keeps only these architectures in a configuration. */
export function only(...names: string[]): (file: LabFile) => void {
  return (file) => {
    file.builders = Object.fromEntries(Object.entries(file.builders).filter(([arch]) => names.includes(arch)))
    file.publish = file.publish
      .map((entry) => ({ ...entry, arch: entry.arch.filter((arch) => names.includes(arch)) }))
      .filter(({ arch }) => arch.length > 0)
  }
}
