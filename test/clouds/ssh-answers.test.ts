import { expect, test } from 'vitest'
import { readLeases } from '#clouds/ssh/answers.ts'

test('what others write into their leases moves no terminal', () => {
  const values = {
    owner: 'the \u001b[31mothers\u0007',
    release: '\u202e7',
    arch: 's390x',
    expires: '2026-11-26T00:00:00.000Z',
    state: 'running',
  }
  const lines = Object.entries(values).map(([name, value]) => `lease t-1 ${name} ${value}`)
  expect(readLeases(lines.join('\n'))).toEqual([{ ...values, id: 't-1', owner: 'the others', release: '7' }])
})
