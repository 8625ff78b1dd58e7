import { execa } from 'execa'
import { expect, test } from 'vitest'

const program = new URL('scale.ts', import.meta.url).pathname

test('the benchmark of many builds at once measures two images when all of their builds are as they must be', async () => {
  const words = ['--images', '2', '--container', '1', '--disk', '1', '--boot', '0-1']
  const options = { reject: false, timeout: 100_000 } as const
  const { exitCode, stdout, stderr } = await execa(process.execPath, [program, ...words], options)
  expect(exitCode, stderr).toBe(0)
  expect(stdout).toContain('8 builders')
  expect(stdout).toMatch(/^8 builds in [\d.]+ s: [\d.]+ builds a second/m)
  expect(stdout).not.toContain('wrong')
}, 120_000)
