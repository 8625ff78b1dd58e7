import { openStore } from '#src/artifact/store.ts'
import { asFactoryError } from '#src/errors.ts'
import { enterEngine } from '#src/journal/engine.ts'
import type { Journal } from '#src/journal/journal.ts'
import type { JournalRecord } from '#src/journal/records.ts'
import { giveBackLeftovers } from '#src/release/give-back.ts'
import { planNow } from '#src/release/last-release.ts'
import { runRelease } from '#src/release/release.ts'
import type { EngineParts } from '#src/release/scope.ts'
import { unfinishedRelease } from '#src/release/unfinished.ts'
import { inputs } from '#test/release/planning.ts'
import { openLedger } from './ledger.ts'
import { type Points, openPoints } from './points.ts'
import type { RunOptions } from './run.ts'
import { configurationOf, sceneOf } from './scene.ts'
import { scriptedContainer } from './scripted-builder.ts'
import { archOf } from './scripted-cloud.ts'

/**
 * One orchestrator: the real engine, journal and store over a scripted world or a real adapter. Ends with 0 (done), 3 (anything
 * else that a release can come to), 1 (it may not go on).
 */
export async function orchestrate(options: RunOptions): Promise<number> {
  return await run(options).catch((error: unknown) => {
    const { code, message } = asFactoryError(error)
    process.stderr.write(`${code}: ${message}\n`)
    return 1
  })
}

async function run(options: RunOptions): Promise<number> {
  const { directory, failing, takeOver, clockMs, injection, pointsFile } = options
  const now = () => Date.now() + clockMs
  const points = openPoints(pointsFile, injection)
  const settings = configurationOf(options)
  const { stateDirectory } = settings
  const format = options.cloud?.format ?? 'raw'
  using ledger = openLedger(directory)
  const entered = enterEngine(stateDirectory, { takeOver, now })
  if (!('engine' in entered)) throw new Error(`engine ${entered.atWork.epoch} is at work`)
  using engine = entered.engine
  const journal = pointed(engine.journal, points)
  const store = openStore(stateDirectory)
  const { clouds, disk, openBuilder } = await sceneOf({ options, ledger, points })
  const { facts } = inputs({ formats: { x86_64: [format], s390x: [format] } })
  const read = { facts, diskBuilders: facts.diskBuilders, bases: facts.bases }
  const planned = await planNow(settings, { clouds, store, state: journal.state() }, read, {})
  const parts: EngineParts = {
    configuration: settings,
    stateDirectory,
    journal,
    store,
    clouds,
    registry: {
      resolve: () => Promise.reject(new Error('not scripted')),
      layerBytes: () => Promise.resolve(1000),
      writeIndex: ({ repository, tag }) =>
        points.pass(`call writeIndex ${tag === 'latest' ? tag : 'release'}`, async () => ({
          reference: `${repository}:${tag}`,
          digest: `sha256:${'e'.repeat(64)}`,
        })),
    },
    container: scriptedContainer(ledger, failing),
    disk,
    openBuilder,
    listener: (event) => {
      if (event.type === 'warning') process.stderr.write(`warning: ${event.message}\n`)
      if (event.type === 'step-failed') process.stderr.write(`${event.step}: ${event.error.message}\n`)
    },
    signal: new AbortController().signal,
    now,
    mask: (text) => text,
    keepBuilders: false,
  }
  const resuming = unfinishedRelease(journal.state(), planned.key, settings.require)
  await giveBackLeftovers(parts, resuming?.release)
  if (planned.nothingChanged) return 0
  const { outcome } = await runRelease(parts, planned, read)
  return outcome === 'done' ? 0 : 3
}

/** Every append is a point, called by what it says and about which architecture. */
function pointed(journal: Journal, through: Points): Journal {
  return {
    ...journal,
    append: (record) => through.pass(nameOf(record), () => journal.append(record)),
    claim: (record, limit) => through.pass(nameOf(record), () => journal.claim(record, limit)),
  }
}

function nameOf(record: JournalRecord): string {
  const about = record as Partial<Record<'arch' | 'step' | 'leaseId', string>> & {
    lease?: { arch: string }
    ref?: { arch: string }
    image?: { arch: string }
  }
  const fromLease = about.leaseId === undefined ? undefined : archOf(about.leaseId)
  const arch = about.arch ?? about.lease?.arch ?? about.ref?.arch ?? about.image?.arch ?? fromLease
  return ['append', record.type, arch, about.step].filter((word) => word !== undefined).join(' ')
}
