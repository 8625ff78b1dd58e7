import type { ArchitectureName } from '#arch/index.ts'
import type { Context } from '#src/context.ts'
import type { Rate } from '#src/cost.ts'

/** How to reach a builder; everything in it may stand in the journal (no private key). */
export interface BuilderRef {
  readonly leaseId: string
  readonly arch: ArchitectureName
  /** The cloud's name for the machine, for people: a domain name, an instance id. */
  readonly machine: string
  readonly address: BuilderAddress
  readonly user: string
  /** The pinned host key, as in known_hosts: `ssh-ed25519 AAAA…`. */
  readonly hostPublicKey: string
  /**
   * The machine got its host key by a way that others can read, as everybody who may describe it can read user-data: it
   * is replaced at the first login.
   */
  readonly hostKeyExposed?: boolean | undefined
  /** Serial that the machine sees on its data disk, where the cloud does not let us call it `factory-data`. */
  readonly dataDisk?: string | undefined
  /** What the machine is and what comes with it, by the hour; absent where machines have no prices. */
  readonly rates?: readonly Rate[] | undefined
}

export interface BuilderAddress {
  readonly host: string
  readonly port: number
  /** An argv whose standard input and output are a connection to the port, where it cannot be dialled directly. */
  readonly proxyCommand?: readonly string[]
}

/** Where the private half of the builder's login key lies: a 0600 file that dies with the lease. */
export interface BuilderLogin {
  readonly privateKeyFile: string
}

export interface ExecOptions {
  stdin?: string | Uint8Array
  /** Milliseconds until the command is given up; default 60 000. */
  limitMs?: number
  /** Exit codes that are an answer and not a failure; default only 0. */
  accept?: readonly number[] | 'any'
  /**
   * A command whose connection breaks is run again on the next one, because nobody knows whether it ran: commands must
   * be harmless to repeat. This one is not: it fails with `connection-lost` instead.
   */
  once?: boolean
}

export interface ExecResult {
  stdout: string
  stderr: string
  exitCode: number
}

export interface JobState {
  exitCode: number
  /** Bytes of the job's log that have been followed, for the next `fromByte`. */
  logBytes: number
}

/** What stands in a log, or in its first bytes. */
export interface LogDigest {
  sizeBytes: number
  /** In hex. */
  sha256: string
}

export interface FollowOptions {
  /** Byte offset of the log to go on from. */
  fromByte: number
  /** The bytes before `fromByte`, when their lines are to come first; a line across the seam comes whole. */
  earlier?: AsyncIterable<Uint8Array>
  /** Every complete line, escape sequences and control characters removed, at most 4 KiB. */
  onLine(line: string): void
  /** The raw bytes from `fromByte` on, exactly as the builder wrote them, each before its lines. */
  onBytes?(bytes: Uint8Array): void | Promise<void>
  /** Milliseconds until the job itself is ended on the builder and the follow fails. */
  limitMs: number
  /** Ends the job when its log grows past this; default 256 MiB. */
  maxLogBytes?: number
}

/** A file on the builder, said by the builder and checked by us. */
export interface RemoteFile {
  path: string
  sizeBytes: number
}

/**
 * One session with a builder. It reconnects by itself (same pinned key) and fails with class `infra` and code
 * `builder-unreachable` when the builder does not come back within the reconnect limit.
 */
export interface Builder extends AsyncDisposable {
  readonly ref: BuilderRef
  /** Runs argv as root (never a shell line: every word is quoted) and waits; throws `remote-command-failed` on other exit codes. */
  exec(argv: readonly string[], options?: ExecOptions): Promise<ExecResult>
  /** Writes a file with the given mode (default 0600), atomically; content goes by standard input. */
  writeFile(path: string, content: string | Uint8Array, mode?: number): Promise<void>
  /** Starts a detached job once; the same id again is no second start. The script is a bash script, run with `set -euo pipefail`. */
  startJob(id: string, script: string): Promise<void>
  /** Follows a job to its end through drops of the connection; the exit code is the job's own. Throws `job-lost` when there is none. */
  followJob(id: string, options: FollowOptions): Promise<JobState>
  /** What the builder has of a job's log, of its first `firstBytes` bytes at most. */
  jobLog(id: string, firstBytes: number): Promise<LogDigest>
  /** Ends a job with everything that it started. */
  stopJob(id: string): Promise<void>
  /** Sends a local directory tree (a build context), only the listed relative paths, as the new content of `remoteDirectory`. */
  sendTree(localDirectory: string, paths: readonly string[], remoteDirectory: string): Promise<void>
  /** Brings a sparse file here, complete and synced or not at all; see src/builder/transfer. */
  fetch(remotePath: string, destination: string, options: FetchOptions): Promise<FetchedFile>
}

export interface FetchOptions {
  ctx: Context
  /** Name for progress messages, e.g. `x86_64 disk.raw`. */
  label: string
  /** A builder is hostile: refuse files larger than this, in bytes. */
  maxSizeBytes: number
  /** Transfers that are interrupted start again from the beginning, this many times in all; default 4. */
  maxAttempts?: number
  /** Milliseconds for one attempt; default 2 hours. An attempt also ends when nothing moves for 2 minutes. */
  limitMs?: number
}

export interface FetchedFile {
  /** Hex sha256 of the whole file, holes read as zeros; computed here from what was written. */
  sha256: string
  /** Apparent size in bytes (holes count). */
  sizeBytes: number
  /** Bytes of the extents that hold content. */
  contentBytes: number
  extents: Extent[]
}

/** A run of content in a sparse file, in bytes. */
export interface Extent {
  offset: number
  length: number
}
