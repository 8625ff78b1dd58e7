import { ensureLab } from './lab.ts'

/**
 * Makes the lab while the unit tests run: much of it is waiting for a mirror. The tests of the lab wait until it is there,
 * and make it once more where this failed, which then says why.
 */
export function setup(): () => Promise<void> {
  const report = (line: string) => void process.stderr.write(`lab: ${line}\n`)
  const making = ensureLab(report).catch((error: unknown) => report(`not made: ${String(error)}`))
  return () => making
}
