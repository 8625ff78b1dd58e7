import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { architectureNames } from '#arch/index.ts'
import { openStore } from '#src/artifact/store.ts'
import { readJournal } from '#src/journal/journal.ts'
import type { Ledger } from './ledger.ts'
import type { World } from './world.ts'

/**
 * Everything that is not as it must be when all builds have ended: each has an artifact of its own in the store, proven
 * by its bytes, and an image of these bytes that was booted; each machine was rented once and given back.
 */
export async function wrongs(
  { images, machinesDirectory }: Pick<World, 'images' | 'machinesDirectory'>,
  ledger: Ledger,
): Promise<string[]> {
  const wrong = [...ledger.complaints]
  const digests = new Set<string>()
  for (const { name, stateDirectory } of images) {
    using journal = readJournal(stateDirectory)
    const { releases, leases, collected, rules } = journal.state()
    const say = (what: string) => wrong.push(`${name}: ${what}`)
    const outcomes = releases.map(({ outcome }) => outcome)
    if (outcomes.join() !== 'done') say(`its releases are ${outcomes.join()}`)
    const ticks = rules.get('hand')?.ticks.map(({ outcome }) => outcome) ?? []
    if (ticks.join() !== 'released') say(`its ticks are ${ticks.join()}`)
    if (leases.some(({ released }) => !released)) say('a lease is open')
    for (const image of releases.flatMap((release) => release.images))
      if (image.verification?.result !== 'passed') say(`${image.image.arch}: its image was not verified`)
    const store = openStore(stateDirectory)
    for (const arch of architectureNames) {
      const build = [...collected.values()].filter((one) => one.arch === arch)
      const [artifact] = build.flatMap(({ artifacts }) => artifacts)
      if (build.length !== 1 || !artifact) say(`${arch}: ${build.length} builds`)
      else {
        const { sha256, start } = await contentOf(store.path(artifact.sha256))
        if (sha256 !== artifact.sha256) say(`${arch}: its artifact has other bytes`)
        if (build[0]!.identity === '' || !start.startsWith(build[0]!.identity))
          say(`${arch}: its artifact is another build's`)
        if (!ledger.images.some(({ image }) => image.arch === arch && image.sha256 === sha256))
          say(`${arch}: its image is not in the cloud`)
        digests.add(sha256)
      }
    }
  }
  const builds = images.length * architectureNames.length
  const expect = (what: string, count: number, expected: number) => {
    if (count !== expected) wrong.push(`${what}: ${count} instead of ${expected}`)
  }
  const { machines, peak } = ledger
  expect('artifacts', digests.size, builds)
  expect('images in the cloud', ledger.images.length, builds)
  expect('machines', new Set(machines.map(({ lease }) => lease)).size, 2 * builds)
  expect('builders at once', peak.builders, builds)
  expect('not given back', machines.filter(({ givenBackAt }) => givenBackAt === undefined).length, 0)
  expect('processes left', (await processesOf(machinesDirectory)).length, 0)
  return wrong
}

async function contentOf(file: string): Promise<{ sha256: string; start: string }> {
  const hash = createHash('sha256')
  let start: Buffer | undefined
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>) {
    start ??= chunk.subarray(0, 512)
    hash.update(chunk)
  }
  return { sha256: hash.digest('hex'), start: start?.toString('latin1') ?? '' }
}

/** Machines name their directory in their first process. */
async function processesOf(word: string): Promise<string[]> {
  const found: string[] = []
  for (const id of await readdir('/proc')) {
    if (!/^\d+$/.test(id)) continue
    const words = await readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')
    if (words.includes(word) && words.includes('sshd')) found.push(id)
  }
  return found
}
