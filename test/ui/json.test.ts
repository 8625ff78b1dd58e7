import { expect, test } from 'vitest'
import { jsonScreen } from '#src/ui/json.ts'
import { recorded, release } from './recorded.ts'

function printed(events: typeof release): string {
  let text = ''
  const screen = jsonScreen({ write: (more) => (text += more) })
  for (const event of events) screen.listen(event)
  return text
}

test('every event is one line of JSON and comes back unchanged', () => {
  const lines = printed(release).trimEnd().split('\n')
  expect(lines.map((line) => JSON.parse(line))).toEqual(release)
})

test('what a builder says reaches no terminal as a command, and is still all there', () => {
  const line = 'a\nb\u001b[2J\u009b2J\u202e\u2028c'
  const text = printed(recorded([{ type: 'step-log', arch: 's390x', step: 'disks', line }]))
  expect(text).not.toMatch(/[^\P{Cc}\n]|[\u2028\u202e]/u)
  expect(text.trimEnd().split('\n')).toHaveLength(1)
  expect(JSON.parse(text).line).toBe(line)
})
