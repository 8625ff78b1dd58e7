import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import type { ArchitectureName, DiskFormat } from '#arch/index.ts'
import type { CloudKind } from '#clouds/types.ts'
import type { Injection } from './points.ts'

export interface RunOptions {
  directory: string
  architectures: ArchitectureName[]
  /** Architectures whose Containerfile fails. */
  failing: string[]
  takeOver: boolean
  /** Places for machines in the cloud. */
  maxBuilders: number
  /** How far its clock is off, in milliseconds. */
  clockMs: number
  injection?: Injection
  /** A real adapter instead of the scripted cloud. */
  cloud?: CloudAccount
  /** Where the points of this run are written. */
  pointsFile: string
}

/** The cloud of a real adapter, and whose marks stand on what is made there. */
export interface CloudAccount {
  kind: CloudKind
  /** As it stands under `clouds` of the configuration. */
  configuration: object
  owner: string
  /** What the cloud takes images as. */
  format: DiskFormat
  /** Below it stands by the id of a machine what that says of itself, once it answers; missing where a machine is logged in to. */
  machines?: string
  /** More for the adapter. */
  settings?: object
}

/** What compile.ts has made of it, where tests run. */
const program = process.env['CHAOS_CHILD'] ?? new URL('./child.ts', import.meta.url).pathname
const credentials = {
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_EC2_METADATA_DISABLED: 'true',
}
/** A run takes one second or two, with lost answers a few more, and ten times that on a machine that is busy. */
const limitMs = 180_000

/** What a run has other than most of them. */
export type RunChanges = Partial<Omit<RunOptions, 'directory' | 'pointsFile'>>

/** Starts one orchestrator in a world's directory; `under` is a command that runs it, with its own arguments. */
export function startRun(directory: string, changes: RunChanges = {}, under: readonly string[] = []) {
  return startRuns([{ directory, ...changes }], under)
}

/** Starts a process that is one orchestrator after the other; each leaves a line with its exit code on stdout. */
export function startRuns(
  each: readonly (RunChanges & Pick<RunOptions, 'directory'>)[],
  under: readonly string[] = [],
) {
  const architectures: ArchitectureName[] = ['x86_64', 's390x']
  const defaults = { architectures, failing: [], takeOver: false, maxBuilders: 2, clockMs: 0 }
  const options = each.map((run): RunOptions => ({
    ...defaults,
    ...run,
    pointsFile: join(run.directory, `points-${runs++}`),
  }))
  const [command, ...words] = [...under, process.execPath, program, JSON.stringify(options)]
  // Compiling what hundreds of runs import anew each time costs a third of them.
  const env = { NODE_COMPILE_CACHE: join(tmpdir(), 'factory-chaos-compiled'), ...credentials }
  return execa(command as string, words, { reject: false, timeout: limitMs, env })
}

let runs = 0

/** A world where nothing has happened yet. */
export function newWorld(): string {
  return mkdtempSync(join(tmpdir(), 'factory-chaos-'))
}

/** The points that a run goes through when nothing happens to it, in the order of its first one. */
export async function pointsOf(directory: string, changes: RunChanges = {}): Promise<string[]> {
  const number = runs
  await startRun(directory, changes)
  return readFileSync(join(directory, `points-${number}`), 'utf8')
    .trim()
    .split('\n')
}
