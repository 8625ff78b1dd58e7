import { execa } from 'execa'
import type { TestProject } from 'vitest/node'

/**
 * Makes the lab while the unit tests run: much of it is waiting for a mirror. The tests of the lab wait until it is there,
 * and make what is missing where this failed, which then says why. Without unit tests there is nothing to win.
 */
export function setup({ vitest }: TestProject): (() => Promise<void>) | undefined {
  if (!vitest.projects.some(({ name }) => name === 'unit')) return undefined
  const program = new URL('./make.ts', import.meta.url).pathname
  const making = execa('nice', ['-n', '5', process.execPath, program], {
    stdio: ['ignore', 'inherit', 'inherit'],
    reject: false,
    detached: true,
  })
  let isOver = false
  const over = making.then(() => void (isOver = true))
  return async () => {
    // With all that it has started: it is a group of its own.
    if (!isOver && making.pid !== undefined) process.kill(-making.pid)
    await over
  }
}
