import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { architectureNames } from '#arch/index.ts'
import { keysDirectory } from '#src/release/lease-keys.ts'
import { callFactory } from '#src/web/client.ts'
import type { CloudTimes } from './cloud.ts'
import type { Ledger } from './ledger.ts'
import type { Measured } from './serving.ts'

/** One served image, which has a directory, a journal and an address of its own. */
export interface ServedImage {
  name: string
  directory: string
  stateDirectory: string
}

/** The scripted cloud and the process that is measured, with all that they write. */
export interface World extends AsyncDisposable {
  images: readonly ServedImage[]
  /** Named by the processes of every machine. */
  machinesDirectory: string
  /** Seconds from the start of the process until it has looked after everything and waits for a button. */
  readySeconds: number
  /** What `factory serve` said. */
  logFile: string
  /** Asks the scripted cloud something that it does not count. */
  askCloud<T>(verb: string): Promise<T>
  /** What the process has used since the last time that it was asked, or since it was ready. */
  measure(): Promise<Measured>
  /** Ends the process as systemd would, and what is still rented then. */
  end(): Promise<Ledger>
}

export async function openWorld(count: number, times: CloudTimes, signal: AbortSignal): Promise<World> {
  await using opening = new AsyncDisposableStack()
  const directory = opening.adopt(await mkdtemp(join(tmpdir(), 'scale-')), removed)
  // In memory and where no machine mounts anything: their keys lie there.
  const machines = opening.adopt(await mkdtemp('/dev/shm/scale-'), removed)
  const cloud = started('cloud.ts', [machines, JSON.stringify(times)], {})
  opening.defer(() => ended(cloud, 'SIGKILL'))
  await goFirst(cloud)
  const [{ port }] = (await once(cloud, 'message', { signal })) as [{ port: number }]
  const askCloud = async <T>(verb: string) => {
    const answer = await fetch(`http://127.0.0.1:${port}/${verb}`, { method: 'POST' })
    return (await answer.json()) as T
  }
  const end = async () => {
    await askCloud('end')
    const ledger = await askCloud<Ledger>('ledger')
    for (const { lease } of ledger.machines) await removed(await keysDirectory(lease))
    return ledger
  }
  opening.defer(async () => void (await end()))
  const images = await Promise.all(
    Array.from({ length: count }, (_, index) => writeImage(directory, index + 1, port)),
  )
  const logFile = join(directory, 'serve.log')
  await using log = await open(logFile, 'w')
  const startedAt = performance.now()
  const configs = images.map((image) => join(image.directory, 'factory.yaml'))
  const serve = started('serving.ts', [String(port), ...configs], { log: log.fd, ...(await asService()) })
  opening.defer(() => ended(serve, 'SIGKILL'))
  await goFirst(serve)
  const gone = once(serve, 'exit').then(() =>
    Promise.reject(new Error(`factory serve ended, see ${logFile}`)),
  )
  gone.catch(() => undefined)
  for (const { stateDirectory } of images)
    await Promise.race([untilLookedAfter(stateDirectory, signal), gone])
  const readySeconds = (performance.now() - startedAt) / 1000
  const measure = async () => {
    const answered = once(serve, 'message', { signal })
    serve.send('measure')
    const [measured] = (await answered) as [Measured]
    return measured
  }
  const resources = opening.move()
  return {
    images,
    machinesDirectory: machines,
    readySeconds,
    logFile,
    askCloud,
    measure,
    async end() {
      await ended(serve, 'SIGTERM')
      return await end()
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

async function writeImage(directory: string, number: number, port: number): Promise<ServedImage> {
  const name = `image-${String(number).padStart(3, '0')}`
  const own = join(directory, name)
  await mkdir(join(own, 'sources'), { recursive: true })
  const configuration = {
    image: { name, containerfile: 'sources/Containerfile' },
    disk: { builder: `127.0.0.1:${port}/bootc-image-builder:1` },
    // What doctor looks at; machines and images are the scripted cloud's.
    clouds: { scripted: { kind: 'libvirt', uri: ['qemu+ssh://nobody@127.0.0.1:1/system'] } },
    builders: Object.fromEntries(architectureNames.map((arch) => [arch, ['scripted']])),
    publish: [{ to: 'scripted' }],
    serve: { listen: '127.0.0.1:0' },
  }
  // JSON is YAML.
  await writeFile(join(own, 'factory.yaml'), JSON.stringify(configuration, undefined, 2))
  await writeFile(
    join(own, 'sources', 'Containerfile'),
    `FROM 127.0.0.1:${port}/base:1\nCOPY motd /etc/motd\n`,
  )
  await writeFile(join(own, 'sources', 'motd'), `This is ${name}.\n`.repeat(1000))
  return { name, directory: own, stateDirectory: join(own, '.factory') }
}

interface Surroundings {
  log?: number
  env?: Record<string, string>
  execArgv?: string[]
}

function started(
  program: string,
  words: readonly string[],
  { log, env = {}, execArgv = [] }: Surroundings,
): ChildProcess {
  return fork(new URL(program, import.meta.url), words, {
    execArgv,
    env: { ...process.env, ...env, FACTORY_HOME: '' },
    stdio: ['ignore', 'inherit', log ?? 'inherit', 'ipc'],
    // In a session of its own it has its own share of the processors, whatever the machines do.
    detached: true,
  })
}

/** What the systemd unit gives to Node and to the C library, so that what is measured is what is run. */
async function asService(): Promise<Required<Omit<Surroundings, 'log'>>> {
  const unit = await readFile(new URL('../../../deploy/image-factory.service', import.meta.url), 'utf8')
  const env = Object.fromEntries(
    [...unit.matchAll(/\b(MALLOC_\w+)=(\w+)/g)].map(([, name, value]) => [name, value]),
  )
  const execArgv = /^ExecStart=\S+((?: --\S+)*) /m.exec(unit)?.[1]?.trim().split(' ') ?? []
  return { env, execArgv }
}

/** Machines stand elsewhere; here they must not take the processors from the factory. */
async function goFirst({ pid }: ChildProcess): Promise<void> {
  await writeFile(`/proc/${pid}/autogroup`, '-20').catch(() => undefined)
}

/** Its first look at everything is over when it shows what it found. */
async function untilLookedAfter(stateDirectory: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    const findings = await callFactory({ stateDirectory }, 'GET', '/api/findings').catch(() => null)
    if (findings !== null) return
    await sleep(200, undefined, { signal })
  }
}

async function ended(child: ChildProcess, how: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(how)
  await exited
}

async function removed(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true })
}
