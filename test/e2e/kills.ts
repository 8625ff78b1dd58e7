import { expect } from 'vitest'
import type { ImageMark } from '#clouds/types.ts'
import { readJournal } from '#src/journal/journal.ts'
import { chooseSeed, randomFrom } from '#test/chaos/random.ts'
import type { Workspace } from './factory.ts'

/**
 * Starts the release and kills it with SIGKILL, again and again, each time after another random time; what it had done is
 * gone on with by the next one. `finished` is called when a run got to its end before its kill. Returns how often it killed.
 */
export async function killAgainAndAgain(
  workspace: Workspace,
  { kills, longestMs }: { kills: number; longestMs: number },
  words: readonly string[],
  finished: (run: { exitCode: number; stderr: string }) => Promise<void> | void,
): Promise<number> {
  const random = randomFrom(chooseSeed())
  let done = 0
  for (let count = 1; count <= kills; count += 1) {
    const ms = Math.round(random() * longestMs)
    const { killed, ...run } = await workspace.killAfter(ms, 'release', ...words, '--output', 'lines')
    const outcome = killed ? '' : ', it was done'
    process.stderr.write(`chaos: kill ${count} of ${kills} after ${ms} ms${outcome}\n`)
    if (killed) done += 1
    else await finished(run)
  }
  return done
}

/**
 * Every machine was taken once and is given back; what lies in the lab's pools is the images of the releases and nothing else. Returns
 * how many releases there were.
 */
export async function expectOnlyImages(
  workspace: Workspace,
  architectures: readonly string[],
): Promise<number> {
  expect(await workspace.domains()).toEqual([])
  expect(await workspace.leftovers()).toEqual([])
  using journal = readJournal(workspace.state)
  const state = journal.state()
  expect(state.leases.filter(({ released }) => !released)).toEqual([])
  for (const { release, images, outcome } of state.releases) {
    expect(outcome).toBe('done')
    const ofLab = images.filter(({ image }) => image.cloud === 'lab')
    expect(ofLab.map(({ image }) => image.arch).toSorted()).toEqual(architectures.toSorted())
    const rented = state.leases.filter(({ lease }) => lease.release === release)
    const builds = rented.filter(({ purpose }) => purpose === 'build').map(({ lease }) => lease.arch)
    expect(builds.toSorted(), 'machines for builds').toEqual(architectures.toSorted())
  }
  const published = state.releases.flatMap(({ images }) => images)
  const ofLab = published.filter(({ image }) => image.cloud === 'lab')
  const expected = ofLab.flatMap(({ image, marked }) => volumesOf(image.name, marked))
  expect(unnumbered(await workspace.volumes())).toEqual(expected.toSorted())
  return state.releases.length
}

/** Names of what lies in a pool for an image: itself, what is known of it, and its mark, without the number of that. */
export function volumesOf(name: string, mark: ImageMark | undefined): string[] {
  return [name, `${name}.json`, ...(mark === undefined ? [] : [`${name}.channel-N-${mark}`])]
}

/** How often an image was marked before does not matter. */
export function unnumbered(volumes: readonly string[]): string[] {
  return volumes.map((volume) => volume.replace(/\.channel-\d+-/, '.channel-N-')).toSorted()
}
