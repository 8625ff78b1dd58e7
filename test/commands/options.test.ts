import { expect, test, vi } from 'vitest'
import { main } from '#src/cli.ts'
import { planCommand } from '#src/commands/plan.ts'

vi.mock('#src/commands/plan.ts', () => ({ planCommand: vi.fn(() => Promise.resolve(0)) }))

test('--to may be given several times, as --arch', async () => {
  const words = ['plan', '--to', 'lab', '--arch', 's390x', '--to', 'aws', '--arch', 'x86_64']
  expect(await main(words)).toBe(0)
  expect(planCommand).toHaveBeenLastCalledWith({
    config: undefined,
    to: ['lab', 'aws'],
    arch: ['s390x', 'x86_64'],
  })
})

test('--to takes one word: the next one is not swallowed', async () => {
  vi.mocked(planCommand).mockClear()
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  expect(await main(['plan', '--to', 'lab', 'aws'])).toBe(2)
  expect(write.mock.calls.join('')).toContain('too many arguments')
  expect(planCommand).not.toHaveBeenCalled()
  write.mockRestore()
})
