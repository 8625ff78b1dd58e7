import { styleText } from 'node:util'
import {
  figures,
  type DefaultRenderer,
  Listr,
  ListrDefaultRendererLogLevels,
  ListrLogger,
  ProcessOutput,
} from 'listr2'
import type { ArchitectureName } from '#arch/index.ts'
import type { FactoryEvent } from '#src/events.ts'
import { formatDuration } from '#src/units.ts'
import { borrowStream, type BorrowedStream } from './borrowed.ts'
import { paintFor } from './color.ts'
import { failureLines } from './failure-text.ts'
import { indexLine, linesScreen, warningLines } from './lines.ts'
import type { Screen } from './listener.ts'
import { printable, printableLines } from './printable.ts'
import { placeName, progressTeller } from './progress-text.ts'
import { treeBuild, type TreeBuild } from './tree-build.ts'
import { treeRow, type TreeTask } from './tree-row.ts'

const showCursor = '\u001b[?25h'

type ReleaseStarted = Extract<FactoryEvent, { type: 'release-started' }>

/**
 * A live tree: architectures side by side, each with its current step and its destinations. What does not fit into one
 * line (failures with their hints, warnings) is shown in full below the tree when it is complete.
 */
export function treeScreen(stream: NodeJS.WriteStream): Screen {
  const paint = paintFor(stream)
  const lines = linesScreen(stream)
  const tell = progressTeller()
  const builds = new Map<ArchitectureName, TreeBuild>()
  const notes = treeRow()
  const below: string[] = []
  let running: Promise<unknown> | undefined
  let borrowed: BorrowedStream | undefined

  /** Also runs when the process ends in the midst of it all: the terminal has a cursor again, and nothing is lost. */
  const giveBack = () => {
    borrowed?.giveBack()
    process.off('exit', giveBack)
    stream.write([showCursor, ...below.splice(0).map((line) => `${line}\n`)].join(''))
  }

  const start = (event: ReleaseStarted) => {
    stream.write(`Release ${event.release}${event.resumed ? ', going on' : ''}\n`)
    for (const [arch, why] of rowsOf(event)) {
      const destinations = event.destinations.filter((destination) => destination.arch === arch)
      builds.set(arch, treeBuild(arch, why, destinations))
    }
    process.once('exit', giveBack)
    borrowed = borrowStream(stream, (text) => {
      const said = printableLines(text)
      below.push(...said)
      if (said.length > 0) notes.show(said.join(' '))
    })
    running = startTree(borrowed.canvas, [...[...builds.values()].map(({ row }) => row.task), notes.task])
  }

  const takeStep = (event: Extract<FactoryEvent, { step: string }>) => {
    const text = event.type === 'step-progress' ? tell(event) : ''
    builds.get(event.arch)?.take(event, text)
    if (event.type === 'step-failed' && !event.willRetry) {
      below.push(...failureLines(`${figures.cross} ${placeName(event)}`, event.error, paint))
    }
  }

  return {
    listen(event) {
      if (event.type === 'release-started' && running === undefined) return start(event)
      if (running === undefined) return lines.listen(event)
      switch (event.type) {
        case 'step-log':
          return
        case 'step-started':
        case 'step-progress':
        case 'step-finished':
        case 'step-failed':
          return takeStep(event)
        case 'build-finished':
          return builds.get(event.arch)?.finish(event)
        case 'index-written':
          return void below.push(indexLine(event))
        case 'warning':
          notes.show(`warning: ${printable(event.message)}`)
          return void below.push(...warningLines(event, paint))
        case 'release-finished':
          return void below.push(outcomeLine(event, paint))
      }
    },
    async close() {
      if (running === undefined) return
      for (const build of builds.values()) build.settle()
      notes.show(undefined)
      notes.done()
      await running
      running = undefined
      giveBack()
    },
  }
}

/** Also architectures that are only published: their build is of an earlier run. */
function rowsOf(event: ReleaseStarted): Map<ArchitectureName, string> {
  const rows = new Map(event.builds.map(({ arch, why }) => [arch, why]))
  for (const { arch } of event.destinations) if (!rows.has(arch)) rows.set(arch, 'built already')
  return rows
}

function outcomeLine(
  event: Extract<FactoryEvent, { type: 'release-finished' }>,
  paint: ReturnType<typeof paintFor>,
): string {
  const outcome = paint(event.outcome === 'done' ? 'green' : 'red', event.outcome)
  return `Release ${event.release}: ${outcome} after ${formatDuration(event.durationMs)}, see ${printable(event.manifest)}`
}

/**
 * listr2 draws on the given stream, and only there. The same renderer stands as fallback because listr2 looks at standard
 * output to decide, and ours may be a pipe.
 */
function startTree(stream: NodeJS.WriteStream, tasks: TreeTask[]): Promise<unknown> {
  const partlyFailed = ListrDefaultRendererLogLevels.COMPLETED_WITH_FAILED_SUBTASKS
  const rendererOptions: typeof DefaultRenderer.rendererOptions = {
    logger: new ListrLogger({ processOutput: new ProcessOutput(stream, stream, { leaveEmptyLine: false }) }),
    collapseSubtasks: false,
    formatOutput: 'truncate',
    icon: { [partlyFailed]: figures.cross },
    color: { [partlyFailed]: (text = '') => styleText('red', text) },
  }
  return new Listr(tasks, {
    concurrent: true,
    exitOnError: false,
    registerSignalListeners: false,
    renderer: 'default',
    rendererOptions,
    fallbackRenderer: 'default',
    fallbackRendererOptions: rendererOptions,
  }).run()
}
