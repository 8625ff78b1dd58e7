import { once } from 'node:events'
import { execa } from 'execa'
import { expect, test } from 'vitest'

const source = new URL('../../src/commands/interruption.ts', import.meta.url).href
/** A command that is stopped and takes its time to end, as one does that gives its builders back. */
const program = `
  const { onInterruption } = await import(${JSON.stringify(source)})
  const interruption = onInterruption('factory release')
  interruption.signal.addEventListener('abort', () => console.log(interruption.signal.reason.code))
  console.log('ready')
  setTimeout(() => {}, 30_000)`

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  '%s stops the work; a second one detaches at once and says how to go on',
  async (signal) => {
    const command = execa(process.execPath, ['--input-type=module', '-e', program], { reject: false })
    await once(command.stdout, 'data')
    command.kill(signal)
    const [said] = await once(command.stdout, 'data')
    expect(String(said)).toBe('interrupted\n')
    command.kill(signal)
    const { exitCode, stderr } = await command
    expect(exitCode).toBe(130)
    expect(stderr).toContain('once more detaches at once')
    expect(stderr).toContain('Go on with: factory release')
  },
)
