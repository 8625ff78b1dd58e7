import { execa } from 'execa'
import type { TestProject } from 'vitest/node'

const limitMs = 30 * 60_000

/**
 * Makes the lab while the unit tests run: much of it is waiting for a mirror. The tests of the lab wait until it is there,
 * and make what is missing where this failed, which then says why. Without unit tests there is nothing to win.
 */
export function setup({ vitest }: TestProject): (() => Promise<void>) | undefined {
  if (!vitest.projects.some(({ name }) => name === 'unit')) return undefined
  const program = new URL('./make.ts', import.meta.url).pathname
  const making = execa('nice', ['-n', '15', process.execPath, program], {
    stdio: ['ignore', 'inherit', 'inherit'],
    reject: false,
    detached: true,
    timeout: limitMs,
  })
  let isOver = false
  const over = untilOver()
  async function untilOver(): Promise<void> {
    const { timedOut } = await making
    isOver = true
    if (timedOut && making.pid !== undefined) endGroup(making.pid)
  }
  return async () => {
    if (!isOver && making.pid !== undefined) endGroup(making.pid)
    await over
  }
}

/** Ends a process with all that it has started, unless they have just ended by themselves. */
function endGroup(leader: number): void {
  try {
    process.kill(-leader)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
