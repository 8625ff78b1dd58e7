import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openLedger } from './ledger.ts'
import { newWorld, startRun } from './run.ts'
import { expectGone } from './world.ts'

test.each([
  'lease-taken s390x',
  'container-built s390x',
  'artifacts-collected s390x',
  'image-published s390x',
])(
  'a state directory as it was after %s, put back when the release was long done: nothing is rented for ever, no image is there twice',
  async (record) => {
    const world = newWorld()
    const state = join(world, 'state')
    const backup = join(world, 'backup')
    await startRun(world, { injection: { point: `append ${record} #1`, when: 'after', what: 'kill' } })
    cpSync(state, backup, { recursive: true })
    expect((await startRun(world)).exitCode).toBe(0)
    rmSync(state, { recursive: true })
    cpSync(backup, state, { recursive: true })
    const again = await startRun(world)
    expect(again.exitCode, again.stderr).toBe(0)
    expectGone(world, `put back to ${record}`)
    using ledger = openLedger(world)
    expect(
      ledger
        .images()
        .map(({ image }) => image.arch)
        .toSorted(),
    ).toEqual(['s390x', 'x86_64'])
  },
)
