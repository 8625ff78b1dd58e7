import { beforeAll, expect, test } from 'vitest'
import { readJournal } from '#src/journal/journal.ts'
import { type Workspace, only, openWorkspace } from '#test/e2e/factory.ts'
import { ensureLab } from '#test/lab/lab.ts'
import { chooseSeed, randomFrom } from './random.ts'

/** Few with every test run; `npm run test:chaos` asks for many. */
const kills = Number(process.env['CHAOS_LAB_KILLS'] ?? 5)
/** Longest time of a run until its kill: few kills have to reach all of a release, many meet it everywhere. */
const longestMs = kills > 20 ? 16_000 : 75_000
const architectures = ['x86_64', 's390x']
const limitMs = 4 * 60 * 60_000

beforeAll(async () => {
  await ensureLab((line) => process.stderr.write(`${line}\n`))
})

test(
  `${kills} kills at any time: the release goes on, with the same machines, and leaves exactly its images`,
  async () => {
    const random = randomFrom(chooseSeed())
    await using workspace = await openWorkspace(only(...architectures))
    for (let count = 1; count <= kills; count += 1) {
      const ms = Math.round(random() * longestMs)
      // With --force a release that is not finished goes on, and after a finished one the next kills meet a new one.
      const run = await workspace.killAfter(ms, 'release', '--force', '--output', 'lines')
      const { killed, exitCode, stderr } = run
      process.stderr.write(
        `chaos: kill ${count} of ${kills} after ${ms} ms${killed ? '' : ', it was done'}\n`,
      )
      if (killed) continue
      expect(exitCode, stderr).toBe(0)
      await expectOnlyImages(workspace)
    }
    const last = await workspace.factory('release', '--output', 'lines')
    expect(last.exitCode, last.stderr).toBe(0)
    const releases = await expectOnlyImages(workspace)
    process.stderr.write(`chaos: ${kills} kills in the lab, ${releases} releases made\n`)
  },
  limitMs,
)

/** Every machine was rented once and is gone; what lies in the pools is the images of the releases and nothing else. */
async function expectOnlyImages(workspace: Workspace): Promise<number> {
  expect(await workspace.domains()).toEqual([])
  expect(await workspace.leftovers()).toEqual([])
  using journal = readJournal(workspace.state)
  const state = journal.state()
  expect(state.leases.filter(({ released }) => !released)).toEqual([])
  for (const { release, images, outcome } of state.releases) {
    expect(outcome).toBe('done')
    expect(images.map(({ image }) => image.arch).toSorted()).toEqual(architectures.toSorted())
    const rented = state.leases.filter(({ lease }) => lease.release === release)
    const builds = rented.filter(({ purpose }) => purpose === 'build').map(({ lease }) => lease.arch)
    expect(builds.toSorted(), 'machines for builds').toEqual(architectures.toSorted())
  }
  const names = state.releases.flatMap(({ images }) => images.map(({ image }) => image.name))
  const expected = names.flatMap((name) => [name, `${name}.json`])
  expect((await workspace.volumes()).toSorted()).toEqual(expected.toSorted())
  return state.releases.length
}
