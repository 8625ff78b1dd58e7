import { appendFileSync } from 'node:fs'
import { openBuilder } from '#src/builder/session.ts'
import type { Builder, BuilderLogin, BuilderRef } from '#src/builder/types.ts'
import { runJob } from '#src/container/transcript.ts'
import { testContext } from './test-context.ts'

export interface KeptRun {
  ref: BuilderRef
  login: BuilderLogin
  jobsDirectory: string
  logDirectory: string
  id: string
  script: string
  /** Where the run tells what happens, a JSON object a line. */
  toldFile: string
}

export interface Told {
  /** The follow begins, at this byte. */
  fromByte?: number
  /** So many bytes have come from the builder and are kept. */
  bytes?: number
  line?: string
  log?: string
  exitCode?: number
}

const run = JSON.parse(process.argv[2] ?? '') as KeptRun
/** At once and not by the event loop: a killed process has told everything that it did. */
const tell = (told: Told) => void appendFileSync(run.toldFile, `${JSON.stringify(told)}\n`)

await using builder = await openBuilder(run.ref, run.login, testContext(), {
  jobsDirectory: run.jobsDirectory,
})
const watched: Builder = {
  ...builder,
  followJob(id, options) {
    tell({ fromByte: options.fromByte })
    const onBytes = async (bytes: Uint8Array) => {
      await options.onBytes?.(bytes)
      tell({ bytes: bytes.length })
    }
    return builder.followJob(id, { ...options, onBytes })
  },
}
const { id, script, logDirectory } = run
const onLine = (line: string) => tell({ line })
const ctx = { ...testContext(), log: (log: string) => tell({ log }) }
const { exitCode } = await runJob(
  watched,
  { id, script, logDirectory, onLine, deadline: Date.now() + 50_000 },
  ctx,
)
tell({ exitCode })
