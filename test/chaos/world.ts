import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { openStore } from '#src/artifact/store.ts'
import { readJournal } from '#src/journal/journal.ts'
import { openLedger } from './ledger.ts'

/** What was rented must be written down first: nothing stands that the journal does not know as rented. */
export function expectNothingUnknown(directory: string, after: string): void {
  using ledger = openLedger(directory)
  using journal = readJournal(join(directory, 'state'))
  const open = journal
    .state()
    .leases.filter(({ released }) => !released)
    .map(({ lease }) => lease.id)
  const standing = ledger.machines().filter(({ givenBackAt }) => givenBackAt === null)
  for (const { lease } of standing) expect(open, after).toContain(lease)
}

/**
 * What must hold when a release was cut off once and then run to its end: every machine was rented once and is gone, no
 * job ran twice, every image is there once with the bytes that were built, every log is complete to the byte.
 */
export function expectOneOfEverything(
  directory: string,
  architectures: readonly string[],
  after: string,
  uploadsAtMost = after.includes('half-way') ? 2 : 1,
): void {
  using ledger = openLedger(directory)
  const rented = ledger.machines().map(({ arch, purpose }) => `${arch} ${purpose}`)
  const expected = architectures.flatMap((arch) => [`${arch} build`, `${arch} verify`])
  expect(rented.toSorted(), after).toEqual(expected.toSorted())
  expectGone(directory, after)

  const images = ledger.images()
  expect(images.map(({ image }) => image.arch).toSorted(), after).toEqual(architectures.toSorted())
  expect(
    images.every(({ complete }) => complete),
    after,
  ).toBe(true)
  for (const { image, uploads } of images) {
    expect(uploads, after).toBeLessThanOrEqual(uploadsAtMost)
    const stored = readFileSync(openStore(join(directory, 'state')).path(image.sha256))
    expect(createHash('sha256').update(stored).digest('hex'), after).toBe(image.sha256)
    expect(stored.toString(), after).toContain(image.origin?.identity)
  }

  expectOneRelease(directory, { verified: architectures.length }, after)
  const jobs = ledger.jobs()
  expect(jobs, after).toHaveLength(2 * architectures.length)
}

/** The release is done, so many images are verified, the channel points to it, and the log of every job is here to the byte. */
export function expectOneRelease(
  directory: string,
  { verified, unverified = 0 }: { verified: number; unverified?: number },
  after: string,
): void {
  using ledger = openLedger(directory)
  using journal = readJournal(join(directory, 'state'))
  const state = journal.state()
  expect(state.releases, after).toHaveLength(1)
  const [release] = state.releases
  expect(release, after).toMatchObject({ outcome: 'done' })
  expect(state.channels.candidate, after).toBe(release?.release)
  const results = release?.images.map(({ verification }) => verification?.result ?? 'not verified')
  const expected = ['passed', 'not verified'].flatMap((result, index) =>
    Array.from({ length: index === 0 ? verified : unverified }, () => result),
  )
  expect(results?.toSorted(), after).toEqual(expected.toSorted())
  for (const { lease, id, log } of ledger.jobs()) {
    const arch = state.leases.find((taken) => taken.lease.id === lease)?.lease.arch ?? ''
    const copy = join(directory, 'state', 'releases', release!.release, arch, 'jobs', `${id}.log`)
    expect(readFileSync(copy, 'utf8'), `${after}: log of ${id}`).toBe(log)
  }
}

/** Nothing is rented any more, nothing was rented past its end, and the journal says the same. */
export function expectGone(directory: string, after: string): void {
  using ledger = openLedger(directory)
  using journal = readJournal(join(directory, 'state'))
  for (const { givenBackAt, endsAt } of ledger.machines()) {
    expect(givenBackAt, after).not.toBeNull()
    expect(givenBackAt, after).toBeLessThanOrEqual(endsAt)
  }
  const open = journal.state().leases.filter(({ released }) => !released)
  expect(open, after).toEqual([])
}
