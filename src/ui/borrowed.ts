/** A stream that is ours alone to write to, while what others write to it comes to us. */
export interface BorrowedStream {
  /** Looks like the stream and writes to it. */
  readonly canvas: NodeJS.WriteStream
  giveBack(): void
}

/**
 * Takes a terminal's stream: somebody who writes into a picture that is being redrawn destroys it, so their text goes to
 * `onText` until the stream is given back.
 */
export function borrowStream(stream: NodeJS.WriteStream, onText: (text: string) => void): BorrowedStream {
  const original = stream.write
  const canvas: NodeJS.WriteStream = Object.create(stream, {
    write: { value: original.bind(stream), writable: true },
  })
  const intercept = (chunk: unknown, ...rest: unknown[]): boolean => {
    onText(typeof chunk === 'string' ? chunk : Buffer.from(chunk as Uint8Array).toString())
    const written = rest.at(-1)
    if (typeof written === 'function') written()
    return true
  }
  stream.write = intercept
  return {
    canvas,
    giveBack() {
      if (stream.write === intercept) stream.write = original
    },
  }
}
