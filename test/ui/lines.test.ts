import { expect, test } from 'vitest'
import { chooseListener } from '#src/ui/choose.ts'
import { linesScreen } from '#src/ui/lines.ts'
import { recorded, release } from './recorded.ts'
import { terminal } from './terminal.ts'

function printed(isTTY = false): string {
  let text = ''
  const screen = linesScreen({ isTTY, write: (more) => (text += more) })
  for (const event of release) screen.listen(event)
  return text
}

test('every event is a line with its time, but for the output of tools', () => {
  expect(printed().split('\n')).toEqual([
    '2026-11-21T10:00:01Z release 20261121.0: started',
    '2026-11-21T10:00:01Z x86_64: base image changed',
    '2026-11-21T10:00:01Z s390x: first release',
    '2026-11-21T10:00:01Z publishing to lab/qemu:///system',
    '2026-11-21T10:00:02Z x86_64 lease: started',
    '2026-11-21T10:00:03Z s390x lease: started',
    '2026-11-21T10:00:04Z x86_64 lease: done in 12.0 s: machine factory-1',
    '2026-11-21T10:00:05Z s390x lease: failed after 3.0 s: no machine is free [no-capacity]',
    '2026-11-21T10:00:05Z   it will be tried again',
    '2026-11-21T10:00:06Z s390x lease: started',
    '2026-11-21T10:00:07Z s390x lease: done in 4.0 s',
    '2026-11-21T10:00:08Z x86_64 disks: started',
    '2026-11-21T10:00:09Z x86_64 disks: org.osbuild.rpm 14/31',
    '2026-11-21T10:00:20Z x86_64 disks: org.osbuild.qemu 31/31',
    '2026-11-21T10:00:21Z x86_64 disks: done in 2 min 05 s: raw, qcow2',
    '2026-11-21T10:00:22Z s390x container: started',
    '2026-11-21T10:00:23Z s390x container: failed after 1 min 01 s: the Containerfile fails on s390x at STEP 2/2: RUN make [containerfile-failed]',
    '2026-11-21T10:00:23Z     make: *** No rule',
    '2026-11-21T10:00:23Z   → Correct the Containerfile and run factory release again.',
    '2026-11-21T10:00:24Z s390x: not complete after 1 min 10 s',
    '2026-11-21T10:00:25Z x86_64 collect: started',
    '2026-11-21T10:00:26Z x86_64 collect: disk.raw 0 B of 4 GiB',
    '2026-11-21T10:00:36Z x86_64 collect: disk.raw 1.2 GiB of 4 GiB, 123 MiB/s, 23 s left',
    '2026-11-21T10:00:37Z x86_64 collect: done in 34.0 s',
    '2026-11-21T10:00:38Z warning: x86_64: the channel could not be moved',
    '2026-11-21T10:00:38Z   → Run factory promote.',
    '2026-11-21T10:00:39Z x86_64 publish lab/qemu:///system: started',
    '2026-11-21T10:00:40Z x86_64 publish lab/qemu:///system: done in 900 ms: new',
    '2026-11-21T10:00:41Z x86_64 verify lab/qemu:///system: started',
    '2026-11-21T10:00:42Z x86_64 verify lab/qemu:///system: booting',
    '2026-11-21T10:00:43Z x86_64 verify lab/qemu:///system: done in 22.0 s: passed',
    '2026-11-21T10:00:44Z x86_64: complete after 3 min 20 s',
    '2026-11-21T10:00:45Z release 20261121.0: partial after 3 min 30 s, see /state/releases/20261121.0/release.json',
    '',
  ])
})

test('there is no colour and no control character where no terminal is', () => {
  expect(printed()).not.toMatch(/[^\P{Cc}\n]/u)
  expect(printed(true)).toContain('\u001b[31m')
})

test('progress is told at most every ten seconds a step, and at once after a retry', () => {
  let text = ''
  const screen = linesScreen({ write: (more) => (text += more) })
  const place = { arch: 'x86_64', step: 'disks' } as const
  const stage = (done: number) => ({ message: 'stage', done, total: 99, unit: 'steps' }) as const
  const many = Array.from(
    { length: 25 },
    (_, done) => ({ type: 'step-progress', ...place, progress: stage(done) }) as const,
  )
  for (const event of recorded(many)) screen.listen(event)
  expect(text.match(/stage \d+/g)).toEqual(['stage 0', 'stage 10', 'stage 20'])

  text = ''
  const again = [
    { type: 'step-started', ...place },
    { type: 'step-progress', ...place, progress: stage(1) },
  ] as const
  for (const event of recorded([...again])) screen.listen(event)
  expect(text).toContain('stage 1')
})

test('a terminal gets the tree, everything else lines, unless something else is asked for', async () => {
  const kind = async (output: 'tree' | 'lines' | 'json' | undefined, isTTY: boolean) => {
    const screen = terminal({ isTTY })
    const listener = chooseListener(output, screen.stream)
    for (const event of release.slice(0, 2)) listener.listen(event)
    await listener.close()
    const text = screen.written()
    if (text.startsWith('{')) return 'json'
    return text.includes('Release 2026') ? 'tree' : 'lines'
  }
  expect(await kind(undefined, true)).toBe('tree')
  expect(await kind(undefined, false)).toBe('lines')
  expect(await kind('tree', false)).toBe('lines')
  expect(await kind('lines', true)).toBe('lines')
  expect(await kind('json', true)).toBe('json')
})
