import type { FactoryEvent } from '#src/events.ts'

type Plain<Event> = Event extends { at: number } ? Omit<Event, 'at'> & { after?: number } : never

const began = Date.parse('2026-11-21T10:00:00Z')
const gib = 1024 ** 3

/** Gives the events times: each comes `after` milliseconds (default 1000) after the one before. */
export function recorded(events: Plain<FactoryEvent>[]): FactoryEvent[] {
  let at = began
  return events.map(({ after = 1000, ...event }) => {
    at += after
    return { ...event, at } as FactoryEvent
  })
}

const disks = { arch: 'x86_64', step: 'disks' } as const
const collect = { arch: 'x86_64', step: 'collect' } as const
const lab = { cloud: 'lab', region: 'qemu:///system' } as const
const published = { arch: 'x86_64', target: 'lab/qemu:///system' } as const

/** A release in which x86_64 gets through after a hiccup and s390x does not; the builder tries to write to the terminal. */
export const release = recorded([
  {
    type: 'release-started',
    release: '20261121.0',
    key: 'k',
    resumed: false,
    builds: [
      { arch: 'x86_64', why: 'base image changed' },
      { arch: 's390x', why: 'first release' },
    ],
    destinations: [
      { ...lab, arch: 'x86_64', verify: true },
      { ...lab, arch: 's390x', verify: true },
    ],
  },
  { type: 'step-started', arch: 'x86_64', step: 'lease' },
  { type: 'step-started', arch: 's390x', step: 'lease' },
  { type: 'step-finished', arch: 'x86_64', step: 'lease', durationMs: 12_000, summary: 'machine factory-1' },
  {
    type: 'step-failed',
    arch: 's390x',
    step: 'lease',
    durationMs: 3000,
    willRetry: true,
    error: { code: 'no-capacity', class: 'capacity', message: 'no machine is free' },
  },
  { type: 'step-started', arch: 's390x', step: 'lease' },
  { type: 'step-finished', arch: 's390x', step: 'lease', durationMs: 4000, summary: '' },
  { type: 'step-started', ...disks },
  {
    type: 'step-progress',
    ...disks,
    progress: { message: 'org.osbuild.rpm', done: 14, total: 31, unit: 'steps' },
  },
  { type: 'step-log', ...disks, line: 'a line of the tool' },
  {
    type: 'step-progress',
    ...disks,
    progress: { message: 'org.osbuild.selinux', done: 15, total: 31, unit: 'steps' },
  },
  {
    type: 'step-progress',
    ...disks,
    after: 9000,
    progress: { message: '\u001b[2Jorg.osbuild.\u202eqemu\n\u0007', done: 31, total: 31, unit: 'steps' },
  },
  { type: 'step-finished', ...disks, durationMs: 125_000, summary: 'raw, qcow2' },
  { type: 'step-started', arch: 's390x', step: 'container' },
  {
    type: 'step-failed',
    arch: 's390x',
    step: 'container',
    durationMs: 61_000,
    willRetry: false,
    error: {
      code: 'containerfile-failed',
      class: 'user',
      message:
        'the Containerfile fails on s390x at STEP 2/2: RUN make:\n  make: *** No rule\u001b]0;owned\u0007',
      hint: 'Correct the Containerfile and run factory release again.',
    },
  },
  { type: 'build-finished', arch: 's390x', ok: false, durationMs: 70_000 },
  { type: 'step-started', ...collect },
  {
    type: 'step-progress',
    ...collect,
    progress: { message: 'disk.raw', done: 0, total: 4 * gib, unit: 'bytes' },
  },
  {
    type: 'step-progress',
    ...collect,
    after: 10_000,
    progress: { message: 'disk.raw', done: 1.2 * gib, total: 4 * gib, unit: 'bytes' },
  },
  { type: 'step-finished', ...collect, durationMs: 34_000, summary: '' },
  {
    type: 'warning',
    message: 'the channel could not be moved',
    hint: 'Run factory promote.',
    arch: 'x86_64',
  },
  { type: 'step-started', ...published, step: 'publish' },
  { type: 'step-finished', ...published, step: 'publish', durationMs: 900, summary: 'new' },
  { type: 'step-started', ...published, step: 'verify' },
  { type: 'step-progress', ...published, step: 'verify', progress: { message: 'booting' } },
  { type: 'step-finished', ...published, step: 'verify', durationMs: 22_000, summary: 'passed' },
  { type: 'build-finished', arch: 'x86_64', ok: true, durationMs: 200_000 },
  {
    type: 'release-finished',
    release: '20261121.0',
    outcome: 'partial',
    manifest: '/state/releases/20261121.0/release.json',
    durationMs: 210_000,
  },
])
