import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { tellOf } from '#src/commands/serve/telling.ts'
import { openJournal } from '#src/journal/journal.ts'
import type { JournalRecord } from '#src/journal/records.ts'
import type { Notice } from '#src/notify/types.ts'
import { makeWorkspace } from '#test/config/workspace.ts'

const started: JournalRecord = { type: 'engine-started', epoch: 1, pid: 1, host: 'here' }
const paused = (rule: string): JournalRecord => ({ type: 'rule-paused', rule, why: 'it failed' })

/** What is told of a journal with these records in one look, and where that is noted to have come. */
async function toldOf(noted: string | undefined, ...records: JournalRecord[]) {
  await using workspace = await makeWorkspace({ 'factory.yaml': '' })
  const stateDirectory = workspace.directory
  const file = join(stateDirectory, 'told')
  if (noted !== undefined) await writeFile(file, noted)
  using journal = openJournal(stateDirectory)
  journal.appendAll(records)
  const told: Notice[] = []
  const notifier = { tell: (notice: Notice) => void told.push(notice), settled: () => Promise.resolve() }
  const stop = new AbortController()
  const once = () => Promise.resolve(stop.abort())
  await tellOf(journal, { stateDirectory, notifier, signal: stop.signal }, once)
  return { told: told.map(({ facts }) => facts?.['rule']), noted: await readFile(file, 'utf8') }
}

test('what was written since the last look is told, and how far it came is noted', async () => {
  expect(await toldOf('2', started, paused('cron'), paused('base'))).toEqual({ told: ['base'], noted: '3' })
})

test('at the very first start everything is told that this engine wrote, and nothing older', async () => {
  const records = [paused('cron'), started, paused('base')]
  expect(await toldOf(undefined, ...records)).toEqual({ told: ['base'], noted: '3' })
})

test('a note of a journal that was lost does not silence the new one', async () => {
  expect(await toldOf('500', started, paused('cron'))).toEqual({ told: ['cron'], noted: '2' })
})

test('a note that a power cut emptied does not tell everything again', async () => {
  const records = [paused('cron'), started, paused('base')]
  expect(await toldOf('', ...records)).toEqual({ told: ['base'], noted: '3' })
})
