import { jsonScreen } from './json.ts'
import { linesScreen } from './lines.ts'
import type { Screen } from './listener.ts'
import { treeScreen } from './tree.ts'

export type OutputName = 'tree' | 'lines' | 'json'

/** What was asked for, else a live tree on a terminal and lines elsewhere. */
export function chooseListener(output: OutputName | undefined, stream: NodeJS.WriteStream): Screen {
  const chosen = output ?? (stream.isTTY ? 'tree' : 'lines')
  if (chosen === 'json') return jsonScreen(stream)
  return chosen === 'tree' && stream.isTTY ? treeScreen(stream) : linesScreen(stream)
}
