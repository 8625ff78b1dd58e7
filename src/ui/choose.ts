import { jsonScreen } from './json.ts'
import { linesScreen } from './lines.ts'
import type { Screen } from './listener.ts'
import { treeScreen } from './tree.ts'

export type OutputName = 'tree' | 'lines' | 'json'

/** What was asked for, else a live tree on a terminal and lines elsewhere. */
export function chooseListener(output: OutputName | undefined, stream: NodeJS.WriteStream): Screen {
  const chosen = output ?? 'tree'
  if (chosen === 'json') return jsonScreen(stream)
  return chosen === 'tree' && canDraw(stream) ? treeScreen(stream) : linesScreen(stream)
}

/** A terminal without a size (a recorder's, a build service's) shows nothing of a tree. */
function canDraw(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY && stream.columns > 0 && stream.rows > 0
}
