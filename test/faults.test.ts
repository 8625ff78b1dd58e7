import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = new URL('..', import.meta.url).pathname
const numbers = count(1, 60)

interface Fault {
  number: number
  cells: string[]
  evidence: string[]
}

function count(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index)
}

function faults(): Fault[] {
  const page = readFileSync(join(root, 'docs/faults.md'), 'utf8')
  return [...page.matchAll(/^\| (\d+) \| (.*) \|$/gm)].map(([, number, row]) => {
    const cells = (row as string).split(' | ')
    return { number: Number(number), cells, evidence: (cells.at(-1) as string).split('<br>') }
  })
}

test('docs/faults.md has every fault of the orchestrator, the network, the builder, the cloud and the artifacts, once and whole', () => {
  expect(faults().map(({ number }) => number)).toEqual(numbers)
  for (const { number, cells } of faults()) expect(cells, `fault ${number}`).toHaveLength(4)
})

test('every fault has a test that is there under its title, or a reason why it has none', () => {
  for (const { number, evidence } of faults()) {
    expect(evidence, `fault ${number}`).not.toEqual([])
    for (const one of evidence) {
      const [, file, title] = /^`(test\/[\w/.-]+\.ts)`: (.+)$/.exec(one) ?? []
      if (file === undefined || title === undefined) {
        expect(one, `fault ${number}`).toMatch(/^not injected here: .{20,}/)
        continue
      }
      expect(existsSync(join(root, file)), `fault ${number}: ${file}`).toBe(true)
      expect(titlesIn(file), `fault ${number}: ${file} has no test of this title`).toContain(title)
    }
  }
})

/** Every text of a file that may be a title: those of `test.each` stand apart from the word `test`. */
function titlesIn(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8')
  return [...text.matchAll(/(?:\(|^\s*)(['"`])((?:(?!\1).)+)\1,/gm)].map((match) => match[2] as string)
}
