import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Reporter } from 'vitest/node'

/**
 * Gives everything that tests and the programs under them write to the temporary directory one place, which goes when all
 * of them passed and stays to be looked at when one did not. The name is short: sockets lie in there.
 */
export function scratchPlace(): Reporter {
  const before = tmpdir()
  const place = mkdtempSync(join(before, 'ft-'))
  process.env['TMPDIR'] = place
  return {
    /** Of many runs, as there are while files are watched. */
    onTestRunStart: () => void mkdirSync(place, { recursive: true, mode: 0o700 }),
    onTestRunEnd(_modules, _errors, reason) {
      if (reason === 'passed') rmSync(place, { recursive: true, force: true })
      else process.stderr.write(`What the tests wrote stays in ${place}\n`)
    },
  }
}
