import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { treeScreen } from '#src/ui/tree.ts'
import { recorded, release } from './recorded.ts'
import { terminal, type Terminal } from './terminal.ts'

/** Spinners turn; everything else must stand still. */
function seen(screen: Terminal): string[] {
  return screen
    .screen()
    .filter((line) => line !== '')
    .map((line) => line.replace(/[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]/, '*'))
}

/** Waits until the tree has drawn a line, because it draws on its own time. */
async function drawn(screen: Terminal, text: string): Promise<string[]> {
  for (let waited = 0; waited < 5000; waited += 10) {
    if (seen(screen).some((line) => line.includes(text))) return seen(screen)
    await delay(10)
  }
  throw new Error(`never drawn: ${text}; there is:\n${seen(screen).join('\n')}`)
}

const indexOf = (type: string, nth = 0) =>
  release.map((event, index) => ({ event, index })).filter(({ event }) => event.type === type)[nth]?.index ??
  -1

describe('the tree', () => {
  test('shows architectures side by side with what each is doing', async () => {
    const screen = terminal()
    const tree = treeScreen(screen.stream)
    for (const event of release.slice(0, indexOf('step-progress') + 1)) tree.listen(event)
    expect(await drawn(screen, 'org.osbuild.rpm')).toEqual([
      'Release 20261121.0',
      '❯ x86_64  lease 12.0 s',
      '  * disks  org.osbuild.rpm 14/31',
      '❯ s390x  lease (try 2) 4.0 s',
    ])
    await tree.close()
  })

  test('says when something is tried again, and why', async () => {
    const screen = terminal()
    const tree = treeScreen(screen.stream)
    for (const event of release.slice(0, indexOf('step-failed') + 1)) tree.listen(event)
    expect(await drawn(screen, 'trying again')).toContain('  * lease  no machine is free; trying again')
    await tree.close()
  })

  test('shows bytes, rate and time left of a transfer', async () => {
    const screen = terminal()
    const tree = treeScreen(screen.stream)
    const last = release.findLastIndex(
      (event) => event.type === 'step-progress' && event.progress.unit === 'bytes',
    )
    for (const event of release.slice(0, last + 1)) tree.listen(event)
    expect(await drawn(screen, 'GiB')).toContain(
      '  * collect  disk.raw 1.2 GiB of 4 GiB, 123 MiB/s, 23 s left',
    )
    await tree.close()
  })

  test('ticks a destination off as soon as its image has booted', async () => {
    const screen = terminal()
    const tree = treeScreen(screen.stream)
    for (const event of release.slice(0, indexOf('build-finished', 1))) tree.listen(event)
    expect(await drawn(screen, '✔')).toContain('  ✔ lab/qemu:///system  publish 900 ms · verify 22.0 s')
    await tree.close()
  })

  test('ends with durations, destinations under their architecture, and failures in full', async () => {
    const screen = terminal()
    const tree = treeScreen(screen.stream)
    for (const event of release) tree.listen(event)
    await tree.close()
    expect(seen(screen)).toEqual([
      'Release 20261121.0',
      '✔ x86_64 complete after 3 min 20 s  lease 12.0 s · disks 2 min 05 s · collect 34.0 s',
      '  ✔ lab/qemu:///system  publish 900 ms · verify 22.0 s',
      '✖ s390x not complete after 1 min 10 s  lease (try 2) 4.0 s',
      '  ✖ container  the Containerfile fails on s390x at STEP 2/2: RUN make',
      '✖ s390x container: the Containerfile fails on s390x at STEP 2/2: RUN make [containerfile-failed]',
      '    make: *** No rule',
      '  → Correct the Containerfile and run factory release again.',
      'warning: x86_64: the channel could not be moved',
      '  → Run factory promote.',
      'Release 20261121.0: partial after 3 min 30 s, see /state/releases/20261121.0/release.json',
    ])
  })

  test('gives the terminal back, and lets nothing of a builder command it', async () => {
    const screen = terminal()
    const tree = treeScreen(screen.stream)
    const { write } = screen.stream
    const before = process.listeners('exit')
    for (const event of release) {
      tree.listen(event)
      await delay(1)
    }
    await drawn(screen, 'verify')
    await tree.close()
    const written = screen.written()
    expect(written.lastIndexOf('\u001b[?25h')).toBeGreaterThan(written.lastIndexOf('\u001b[?25l'))
    expect(screen.stream.write).toBe(write)
    expect(written).not.toContain('\u001b]0;owned')
    expect(written).not.toContain('\u0007')
    expect(written).not.toContain('\u202e')
    expect(process.listeners('exit')).toEqual(before)
  })

  test('shows what somebody else says without breaking, and says it again below', async () => {
    const screen = terminal()
    const tree = treeScreen(screen.stream)
    for (const event of release.slice(0, 4)) tree.listen(event)
    await drawn(screen, 's390x')
    screen.stream.write('\nSIGINT: giving the builders back\n')
    expect(await drawn(screen, 'SIGINT')).toContain('* SIGINT: giving the builders back')
    await tree.close()
    expect(seen(screen).at(-1)).toBe('SIGINT: giving the builders back')
  })

  test('gives the terminal back when the process ends in the midst of it', async () => {
    const screen = terminal()
    const tree = treeScreen(screen.stream)
    const before = process.listeners('exit')
    for (const event of release.slice(0, 4)) tree.listen(event)
    await drawn(screen, 's390x')
    screen.stream.write('Detached.\n')
    const atExit = process.listeners('exit').find((listener) => !before.includes(listener))
    atExit?.call(process, 130)
    expect(screen.written()).toContain('\u001b[?25hDetached.\n')
    await tree.close()
  })

  test('ends what an interruption left open', async () => {
    const screen = terminal()
    const tree = treeScreen(screen.stream)
    for (const event of release.slice(0, indexOf('step-progress') + 1)) tree.listen(event)
    await tree.close()
    await tree.close()
    expect(seen(screen)).toContain('  ✖ disks  stopped')
  })

  test('fails a destination that fails, and no other', async () => {
    const screen = terminal()
    const tree = treeScreen(screen.stream)
    const place = { arch: 'x86_64', step: 'publish' } as const
    const error = { code: 'pool-missing', class: 'user', message: 'no pool images' } as const
    const destination = { cloud: 'hv', arch: 'x86_64', verify: false } as const
    const events = recorded([
      {
        type: 'release-started',
        release: '20261121.1',
        key: 'k',
        resumed: true,
        builds: [],
        destinations: [
          { ...destination, region: 'one' },
          { ...destination, region: 'two' },
        ],
      },
      { type: 'step-started', ...place, target: 'hv/one' },
      { type: 'step-started', ...place, target: 'hv/two' },
      { type: 'step-failed', ...place, target: 'hv/one', durationMs: 10, willRetry: false, error },
      { type: 'step-finished', ...place, target: 'hv/two', durationMs: 1000, summary: '' },
      { type: 'build-finished', arch: 'x86_64', ok: false, durationMs: 1000 },
    ])
    for (const event of events) tree.listen(event)
    await tree.close()
    expect(seen(screen)).toEqual([
      'Release 20261121.1, going on',
      '✖ x86_64 not complete after 1.0 s',
      '  ✖ hv/one  publish  no pool images',
      '  ✔ hv/two  publish 1.0 s',
      '✖ x86_64 publish hv/one: no pool images [pool-missing]',
    ])
  })

  test('is a plain line when nothing changed', async () => {
    const screen = terminal()
    const tree = treeScreen(screen.stream)
    const nothing = { type: 'nothing-changed', release: '20261121.0', key: 'k', why: 'same inputs' } as const
    for (const event of recorded([nothing])) tree.listen(event)
    await tree.close()
    expect(seen(screen)).toEqual([
      '2026-11-21T10:00:01Z nothing changed since release 20261121.0: same inputs',
    ])
  })

  test('cuts lines that do not fit a narrow terminal instead of breaking the picture', async () => {
    const screen = terminal({ columns: 40, rows: 12 })
    const tree = treeScreen(screen.stream)
    for (const event of release.slice(0, indexOf('build-finished') + 1)) tree.listen(event)
    const lines = await drawn(screen, 'container')
    expect(lines.every((line) => line.length <= 40)).toBe(true)
    await tree.close()
  })
})
