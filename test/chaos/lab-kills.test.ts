import { beforeAll, expect, test } from 'vitest'
import { only, openWorkspace } from '#test/e2e/factory.ts'
import { expectOnlyImages, killAgainAndAgain } from '#test/e2e/kills.ts'
import { ensureLab } from '#test/lab/lab.ts'

/** Asked for by `npm run test:chaos`; every test run kills the release of test/e2e/release.test.ts a few times. */
const kills = Number(process.env['CHAOS_LAB_KILLS'])
/** Short enough that many kills meet every part of a release. */
const longestMs = 16_000
const architectures = ['x86_64', 's390x']
const limitMs = 4 * 60 * 60_000

beforeAll(async () => {
  await ensureLab((line) => process.stderr.write(`${line}\n`))
})

test(
  `${kills} kills at any time: the release goes on, with the same machines, and leaves exactly its images`,
  async () => {
    expect(kills, 'CHAOS_LAB_KILLS').toBeGreaterThan(0)
    await using workspace = await openWorkspace(only(...architectures))
    // With --force a release that is not finished goes on, and after a finished one the next kills meet a new one.
    const killed = await killAgainAndAgain(
      workspace,
      { kills, longestMs },
      ['--force'],
      async ({ exitCode, stderr }) => {
        expect(exitCode, stderr).toBe(0)
        await expectOnlyImages(workspace, architectures)
      },
    )
    const last = await workspace.factory('release', '--output', 'lines')
    expect(last.exitCode, last.stderr).toBe(0)
    const releases = await expectOnlyImages(workspace, architectures)
    expect(killed).toBeGreaterThan(0)
    expect(releases).toBeGreaterThan(0)
    process.stderr.write(`chaos: ${kills} kills in the lab, ${releases} releases made\n`)
  },
  limitMs,
)
