import { text } from 'node:stream/consumers'
import { openBuilder } from '#src/builder/session.ts'
import type { BuilderRef } from '#src/builder/types.ts'
import { testContext } from '../builder/test-context.ts'

/** What the benchmark tells this program by standard input. */
export interface OursTask {
  ref: BuilderRef
  privateKeyFile: string
  source: string
  destination: string
}

/** What this program answers. */
export interface OursResult {
  seconds: number
  sha256: string
  /** The most memory that this process ever had. */
  peakBytes: number
}

const task = JSON.parse(await text(process.stdin)) as OursTask
const ctx = testContext()
await using builder = await openBuilder(task.ref, { privateKeyFile: task.privateKeyFile }, ctx)
const startedAt = performance.now()
const maxSizeBytes = 16 * 1024 ** 3
const file = await builder.fetch(task.source, task.destination, { ctx, label: 'disk', maxSizeBytes })
const result: OursResult = {
  seconds: (performance.now() - startedAt) / 1000,
  sha256: file.sha256,
  peakBytes: process.resourceUsage().maxRSS * 1024,
}
process.stdout.write(JSON.stringify(result))
