import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { secretsDirectory } from '#src/builder/keys.ts'
import { readJournal } from '#src/journal/journal.ts'
import type { FactoryState } from '#src/journal/replay.ts'
import type { CloudWorld } from './cloud-worlds.ts'
import { builderSource } from './scene.ts'
import { expectOneRelease } from './world.ts'

/** What was rented must be written down first: no machine lives that the journal does not know as rented. */
export async function expectNoUnknownMachine({ directory, cloud }: CloudWorld, after: string): Promise<void> {
  const open = openLeases(stateIn(directory))
  for (const lease of await cloud.living()) expect(open, after).toContain(lease)
}

/**
 * What must hold of machines, journal and files when the release of one architecture was cut off once and then run to its
 * end. For each lease one machine was started, and it has ended; the cloud holds nothing but images; the journal says the
 * same.
 */
export async function expectOneOfEveryMachine(world: CloudWorld, after: string): Promise<void> {
  const { directory, cloud } = world
  const state = stateIn(directory)
  expect(await cloud.living(), after).toEqual([])
  // A lease that was taken before its keys were made is given up for another one; nothing was asked for under it.
  const purposes = (await cloud.started()).map((id) => {
    const taken = state.leases.find(({ lease }) => lease.id === id)
    return taken && `${taken.purpose} ${taken.target ?? ''}`
  })
  const expected = ['build ', ...cloud.regions.map((region) => `verify lab/${region}`)]
  expect(purposes.toSorted(), after).toEqual(expected.toSorted())
  expect(openLeases(state), after).toEqual([])
  expect((await cloud.others()).join(', '), after).toBe('')
  const verified = Math.max(1, cloud.regions.length)
  expectOneRelease(directory, { verified, unverified: cloud.unverified?.length ?? 0 }, after)
  const keys = await secretsDirectory()
  const kept = state.leases.filter(({ lease }) => existsSync(join(keys, lease.id)))
  expect(kept, after).toEqual([])
  const own = builderSource(cloud.account)
  const left = readdirSync(join(directory, 'state', 'clouds', own), { recursive: true })
  expect(left, after).toEqual(['leases'])
}

export function stateIn(directory: string): FactoryState {
  using journal = readJournal(join(directory, 'state'))
  return journal.state()
}

function openLeases({ leases }: FactoryState): string[] {
  return leases.filter(({ released }) => !released).map(({ lease }) => lease.id)
}
