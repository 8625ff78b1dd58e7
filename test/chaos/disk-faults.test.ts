import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { openLedger } from './ledger.ts'
import { newWorld, startRun } from './run.ts'
import { expectGone, expectNothingUnknown } from './world.ts'

test.each([1, 2, 10, 20, 30, 40, 50, 60])(
  'a disk that loses what it was told to keep, from sync %d on: it stops loudly, nothing stays rented, and the next run is whole',
  async (sync) => {
    const world = newWorld()
    const failing = `inject=fsync,fdatasync:error=EIO:when=${sync}+`
    const under = ['strace', '-f', '--seccomp-bpf', '-qq', '-o', '/dev/null']
    const broken = await startRun(world, {}, [...under, '-e', 'trace=fsync,fdatasync', '-e', failing])
    expect(broken.exitCode, broken.stderr).toBe(1)
    expect(broken.stderr).toContain('journal-broken')
    expect(standing(world)).toEqual([])
    expectNothingUnknown(world, `EIO from sync ${sync} on`)
    await expectWholeNextTime(world)
  },
)

test('a state directory without inodes: it stops, nothing stays rented, and goes on when there are some again', async () => {
  for (const inodes of [3, 6, 9, 12, 15]) {
    const world = newWorld()
    const state = join(world, 'state')
    mkdirSync(state)
    await execa('mount', ['-t', 'tmpfs', '-o', `nr_inodes=${inodes}`, 'tmpfs', state])
    try {
      const full = await startRun(world)
      expect(full.exitCode, `${inodes} inodes\n${full.stderr}`).not.toBe(0)
      expect(standing(world)).toEqual([])
      await execa('mount', ['-o', 'remount,nr_inodes=1000', state])
      await expectWholeNextTime(world)
    } finally {
      await execa('umount', ['-l', state])
    }
  }
})

test('an artifact with one bit changed between two runs is never published; it is built again', async () => {
  const world = newWorld()
  const point = 'append artifacts-collected s390x #1'
  await startRun(world, { injection: { point, when: 'after', what: 'kill' } })
  const store = join(world, 'state/store/sha256')
  for (const name of readdirSync(store)) {
    const content = readFileSync(join(store, name))
    content[0] = content[0]! ^ 1
    writeFileSync(join(store, name), content)
  }
  const noticed = await startRun(world)
  expect(noticed.exitCode, noticed.stderr).toBe(3)
  expect(noticed.stderr).toContain('no longer what was collected')
  await expectWholeNextTime(world)
})

function standing(world: string): string[] {
  using ledger = openLedger(world)
  return ledger.machines().flatMap(({ lease, givenBackAt }) => (givenBackAt === null ? [lease] : []))
}

async function expectWholeNextTime(world: string): Promise<void> {
  const next = await startRun(world)
  expect(next.exitCode, next.stderr).toBe(0)
  expectGone(world, 'after the disk was well again')
  using ledger = openLedger(world)
  expect(
    ledger
      .images()
      .map(({ image }) => image.arch)
      .toSorted(),
  ).toEqual(['s390x', 'x86_64'])
}
