import { styleText } from 'node:util'

export type Style = 'red' | 'green' | 'yellow' | 'dim' | 'bold'

export type Paint = (style: Style, text: string) => string

/** Colours only where they are asked for: a terminal, and no NO_COLOR (https://no-color.org). */
export function paintFor(stream: { isTTY?: boolean }): Paint {
  const wanted = stream.isTTY === true && !process.env['NO_COLOR']
  return (style, text) => (wanted ? styleText(style, text, { validateStream: false }) : text)
}
