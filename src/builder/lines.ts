import { printable } from './text.ts'

/** What a line may hold before cleaning; escape sequences go, so more is kept here than is handed on. */
const maxRawBytes = 16 * 1024
const maxLineLength = 4 * 1024

/** Cuts a log into lines as its bytes come. */
export interface LineSplitter {
  push(bytes: Uint8Array): void
  /** The last line has no line end when a tool is killed in it. */
  end(): void
}

/**
 * Hands on every complete line, printable and at most 4 KiB long, with bounded memory however long a line is. Of a line
 * that a tool redraws with carriage returns the last state counts.
 */
export function splitLines(onLine: (line: string) => void): LineSplitter {
  let pieces: Uint8Array[] = []
  let pendingBytes = 0
  let begun = false

  function keep(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    begun = true
    const room = maxRawBytes - pendingBytes
    if (room <= 0) return
    const piece = bytes.slice(0, room)
    pieces.push(piece)
    pendingBytes += piece.length
  }

  function flush(): void {
    const text = Buffer.concat(pieces).toString('utf8')
    pieces = []
    pendingBytes = 0
    begun = false
    onLine(clean(text))
  }

  return {
    push(bytes) {
      let from = 0
      for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, from)) {
        keep(bytes.subarray(from, at))
        flush()
        from = at + 1
      }
      keep(bytes.subarray(from))
    },
    end() {
      if (begun) flush()
    },
  }
}

function clean(text: string): string {
  const shown = text.replace(/\r+$/, '')
  const line = printable(shown.slice(shown.lastIndexOf('\r') + 1))
  return line.length > maxLineLength ? `${line.slice(0, maxLineLength - 1)}…` : line
}
