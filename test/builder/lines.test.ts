import { describe, expect, test } from 'vitest'
import { splitLines } from '#src/builder/lines.ts'
import { lastWords } from '#src/builder/text.ts'

function linesOf(...chunks: (string | Buffer)[]): string[] {
  const lines: string[] = []
  const splitter = splitLines((line) => lines.push(line))
  for (const chunk of chunks) splitter.push(Buffer.from(chunk))
  splitter.end()
  return lines
}

describe('a log in lines', () => {
  test('is the same however its bytes are cut, also in the middle of a character', () => {
    const log = Buffer.from('größe 日本\r\nzwei\n\nvier 🏭')
    const whole = linesOf(log)
    expect(whole).toEqual(['größe 日本', 'zwei', '', 'vier 🏭'])
    expect(linesOf(...Array.from(log, (byte) => Buffer.from([byte])))).toEqual(whole)
  })

  test('holds no escape sequences, control characters or characters that turn text around', () => {
    const nasty =
      '\u001b[31mred\u001b[0m \u001b]0;title\u0007\u001b]8;;http://x\u001b\\link\u0000\u0008\u007f \u202egnp.exe\u2028\n'
    expect(linesOf(nasty)).toEqual(['red link gnp.exe'])
    expect(linesOf('a\tb\n')).toEqual(['a  b'])
  })

  test('shows the last state of a line that a tool redraws', () => {
    expect(linesOf('10 %\r50 %\r100 %\ndone\r\n')).toEqual(['100 %', 'done'])
  })

  test('stays small when there is no line end for a long time', () => {
    const lines = linesOf(...Array.from({ length: 100 }, () => 'x'.repeat(100_000)), '\nnext\n')
    expect(lines).toHaveLength(2)
    expect(lines[0]).toHaveLength(4096)
    expect(lines[0]?.endsWith('…')).toBe(true)
    expect(lines[1]).toBe('next')
  })

  test('gives its last words to a message', () => {
    expect(lastWords('first\n\n\u001b[1mError:\u001b[0m no space\n')).toBe('first; Error: no space')
    expect(lastWords('x'.repeat(10_000)).length).toBeLessThan(700)
  })
})
