import { EventEmitter } from 'node:events'
import { stripVTControlCharacters } from 'node:util'

export interface Terminal {
  readonly stream: NodeJS.WriteStream
  /** Everything that was written, as it came. */
  written(): string
  /** What a person would see now. */
  screen(): string[]
}

/** A terminal that understands what is needed of the control sequences: line feeds, cursor moves and erasing. */
export function terminal({ columns = 120, rows = 40, isTTY = true } = {}): Terminal {
  let written = ''
  const stream = Object.assign(new EventEmitter(), {
    columns,
    rows,
    isTTY,
    write(text: string) {
      written += text
      return true
    },
  }) as unknown as NodeJS.WriteStream
  return { stream, written: () => written, screen: () => draw(written) }
}

function draw(text: string): string[] {
  const lines = ['']
  let row = 0
  let column = 0
  // oxlint-disable-next-line no-control-regex
  for (const [token] of text.matchAll(/\u001b\[\??[\d;]*[A-Za-z]|\n|\r|[^\u001b\n\r]+|\u001b/g)) {
    // oxlint-disable-next-line no-control-regex
    const [, count = '', verb] = /^\u001b\[\??(\d*)[\d;]*([A-Za-z])$/.exec(token) ?? []
    if (token === '\n') {
      row += 1
      column = 0
      lines[row] ??= ''
    } else if (token === '\r' || verb === 'G') column = 0
    else if (verb === 'A') row = Math.max(0, row - Number(count || 1))
    else if (verb === 'B') row += Number(count || 1)
    else if (verb === 'K') lines[row] = count === '2' ? '' : (lines[row] ?? '').slice(0, column)
    else if (verb === 'J') lines.length = row + 1
    else if (verb === undefined) {
      const plain = stripVTControlCharacters(token)
      const line = (lines[row] ?? '').padEnd(column)
      lines[row] = line.slice(0, column) + plain + line.slice(column + plain.length)
      column += plain.length
    }
  }
  return lines.map((line) => line.trimEnd())
}
