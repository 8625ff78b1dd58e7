import type { ArchitectureName } from '#arch/index.ts'
import type { Finding, Image } from '#clouds/types.ts'
import type { Configuration } from '#src/config/types.ts'
import { FactoryError } from '#src/errors.ts'
import type { JournalRecord } from '#src/journal/records.ts'
import { type FactoryState, apply, emptyState } from '#src/journal/replay.ts'
import { listImages } from '#src/release/images.ts'
import { judge } from '#src/release/outcome.ts'
import { type RuleName, type Wish, ruleNames } from '#src/trigger/types.ts'
import { eventHistory } from '#src/web/history.ts'
import type { RuleView, Serving } from '#src/web/types.ts'
import { configuration } from '../release/planning.ts'

const noon = Date.parse('2026-11-25T12:00:00Z')
const day = 86_400_000
const architectures = ['x86_64', 'aarch64'] as const

/** A text that a page must show and never obey. */
export const hostile = `</script><script>alert("it's")</script><img src=x onerror=alert(1)> & \u001b[31mred`

/** A `Serving` without an engine: a state that was replayed from records, changed by what is chosen. */
export function scriptedServing(changes: Partial<Configuration> = {}) {
  const settings = configuration({ architectures, ...changes })
  const state = emptyState()
  const events = eventHistory(noon)
  const calls: string[] = []
  let now = noon - 20 * day
  let seq = 0
  const record = (...records: JournalRecord[]) => {
    for (const one of records) apply(state, { ...one, seq: ++seq, at: now, epoch: 1 })
  }
  fill(record, (at) => (now = at))
  now = noon
  const world = {
    calls,
    events,
    state,
    record,
    /** Reason why it is not ready, or true. */
    ready: true as true | string,
    findings: { at: noon - 600_000, found: findings as readonly Finding[] } as ReturnType<
      Serving['findings']
    >,
    setNow: (at: number) => (now = at),
  }
  const serving: Serving = {
    configuration: settings,
    now: () => now,
    state: () => state,
    images: () => listImages(state, settings.require),
    clouds: new Map(),
    rules: () => ruleViews(state, now),
    findings: () => world.findings,
    events,
    logTail: async (release, arch, lines) =>
      [`first line of ${release} ${arch}`, `STEP 3/9: RUN dnf install ${hostile}`, 'last line'].slice(-lines),
    stream: async (channel) => streamOf(state, channel),
    ready: () => world.ready,
    lookNow: (rule) => void calls.push(`look now: ${rule}`),
    choose: choosing(state, settings, record, calls),
  }
  return { serving, ...world, world }
}

function fill(record: (...records: JournalRecord[]) => void, setNow: (at: number) => void): void {
  const owner = 'lab'
  const imageName = 'lab'
  record({ type: 'engine-started', epoch: 1, pid: 4711, host: 'factory.example' })
  const open = (release: string, at: number, why: string) => {
    setNow(at)
    record({
      type: 'release-opened',
      release,
      key: keyOf(release),
      owner,
      imageName,
      inputs: {},
      builds: architectures.map((arch) => ({ arch, buildKey: `${keyOf(release)}-${arch}`, why })),
      destinations: architectures.map((arch) => destination(arch)),
    })
  }
  const build = (release: string, at: number, arch: ArchitectureName) => {
    setNow(at)
    const id = `${release}-${arch}`
    record({
      type: 'lease-taken',
      release,
      cloud: 'lab',
      lease: { id, owner, release, arch, expires: new Date(at + 14_400_000).toISOString() },
      purpose: 'build',
      dataBytes: 40 * 2 ** 30,
    })
    record({
      type: 'lease-acquired',
      release,
      ref: {
        leaseId: id,
        arch,
        machine: `factory-${id}`,
        address: { host: '127.0.0.1', port: 22 },
        user: 'root',
        hostPublicKey: 'ssh-ed25519 AAAA',
        rates: [{ what: 'm7g.large', price: { amount: 0.09, currency: 'USD' } }],
      },
    })
    step(release, arch, 'lease', 42_000, 'factory machine is up')
    step(release, arch, 'prepare', 9_000, 'ready')
  }
  const step = (
    release: string,
    arch: ArchitectureName,
    name: 'lease' | 'prepare' | 'container' | 'disks' | 'collect',
    durationMs: number,
    summary: string,
  ) => {
    record({ type: 'step-started', release, arch, step: name })
    record({ type: 'step-finished', release, arch, step: name, durationMs, summary })
  }
  const finish = (release: string, at: number, arch: ArchitectureName) => {
    step(release, arch, 'container', 310_000, 'image of 1.9 GiB')
    step(release, arch, 'disks', 420_000, 'raw of 10 GiB')
    step(release, arch, 'collect', 61_000, '1.7 GiB')
    const id = `${release}-${arch}`
    record(
      {
        type: 'artifacts-collected',
        release,
        arch,
        buildKey: `${keyOf(release)}-${arch}`,
        identity: id,
        artifacts: [artifact(release, arch)],
      },
      { type: 'image-published', release, image: image(release, arch) },
      {
        type: 'image-verified',
        release,
        imageId: image(release, arch).id,
        arch,
        cloud: 'lab',
        region: 'host1',
        result: 'passed',
        how: `booted, uname -m says ${arch}`,
        bootMs: 21_000,
      },
    )
    setNow(at + 1_200_000)
    record({ type: 'lease-released', release, leaseId: id })
  }
  const whole = (release: string, at: number, why: string) => {
    open(release, at, why)
    for (const arch of architectures) {
      build(release, at, arch)
      finish(release, at, arch)
    }
    record({ type: 'release-closed', release, outcome: 'done', durationMs: 1_260_000 })
    record({ type: 'channel-moved', channel: 'candidate', release })
  }
  whole('20261110.0', noon - 15 * day, 'first release')
  record({ type: 'channel-moved', channel: 'promoted', release: '20261110.0', by: 'jana' })
  whole('20261117.0', noon - 8 * day, 'base image quay.io/a/base:1 changed')
  record({ type: 'channel-moved', channel: 'promoted', release: '20261117.0', by: 'jana', why: 'as planned' })
  whole('20261120.0', noon - 5 * day, 'the Containerfile changed')
  record({ type: 'release-ignored', release: '20261120.0', by: 'petr', why: `no ${hostile}` })
  open('20261122.0', noon - 3 * day, 'build context changed')
  for (const arch of architectures) build('20261122.0', noon - 3 * day, arch)
  finish('20261122.0', noon - 3 * day, 'x86_64')
  record({ type: 'step-started', release: '20261122.0', arch: 'aarch64', step: 'container' })
  record({
    type: 'step-failed',
    release: '20261122.0',
    arch: 'aarch64',
    step: 'container',
    durationMs: 12_000,
    error: {
      code: 'containerfile-failed',
      class: 'user',
      message: `line 7: RUN dnf install nonesuch: ${hostile}`,
      hint: 'Correct it: factory logs aarch64',
    },
  })
  record({ type: 'lease-released', release: '20261122.0', leaseId: '20261122.0-aarch64' })
  record({ type: 'release-closed', release: '20261122.0', outcome: 'partial', durationMs: 900_000 })
  whole('20261124.0', noon - day, 'base image quay.io/a/base:1 changed')
  open('20261125.0', noon - 600_000, 'the Containerfile changed')
  build('20261125.0', noon - 600_000, 'x86_64')
  record({ type: 'step-started', release: '20261125.0', arch: 'x86_64', step: 'container' })
  record({ type: 'step-started', release: '20261125.0', arch: 'aarch64', step: 'lease' })
  record(
    { type: 'tick-taken', rule: 'cron', tick: '2026-11-24T04:00:00Z', why: 'the schedule was due' },
    {
      type: 'tick-done',
      rule: 'cron',
      tick: '2026-11-24T04:00:00Z',
      outcome: 'released',
      release: '20261124.0',
    },
    { type: 'tick-taken', rule: 'containerfile', tick: 'abc123', why: 'main moved to abc123' },
    { type: 'rule-paused', rule: 'base', why: `failed 3 times in a row: ${hostile}` },
  )
}

function keyOf(release: string): string {
  return Buffer.from(release).toString('hex').padEnd(64, '0').slice(0, 64)
}

function destination(arch: ArchitectureName) {
  return { cloud: 'lab', region: 'host1', arch, format: 'raw' as const, verify: true }
}

function artifact(release: string, arch: ArchitectureName) {
  const sha256 = keyOf(`${release}${arch}`)
  return {
    arch,
    format: 'raw' as const,
    sha256,
    sizeBytes: 10 * 2 ** 30,
    virtualBytes: 10 * 2 ** 30,
    contentBytes: 1_800_000_000,
  }
}

function image(release: string, arch: ArchitectureName): Image {
  const { sha256, sizeBytes } = artifact(release, arch)
  return {
    cloud: 'lab',
    kind: 'libvirt',
    region: 'host1',
    arch,
    id: `/images/lab-${release}-${arch}.raw`,
    name: `lab-${release}-${arch}.raw`,
    format: 'raw',
    sha256,
    sizeBytes,
    release,
  }
}

const findings: Finding[] = [
  { severity: 'ok', subject: 'pool images on qemu:///system', message: '120 GiB free' },
  {
    severity: 'warning',
    subject: 'aws',
    message: `the key is 400 days old ${hostile}`,
    hint: 'Make a new one.',
  },
]

function ruleViews(state: FactoryState, now: number): RuleView[] {
  const meanings: Record<RuleName, string> = {
    cron: 'at 04:00 on Mondays (Europe/Prague)',
    inactivity: 'when there was no release for 14 days',
    containerfile: 'when main of https://git.example/images.git changes the build',
    base: 'when quay.io/a/base:1 moves',
    hand: 'when somebody asks',
  }
  return ruleNames.map((name) => {
    const known = state.rules.get(name)
    const last = known?.ticks.at(-1)
    return {
      name,
      meaning: meanings[name],
      ...(name === 'hand' ? {} : { nextAt: now + 3_600_000 }),
      ...(known?.paused ? { paused: known.paused } : {}),
      ...(name === 'containerfile'
        ? { trouble: { message: 'git.example does not answer', since: now - 3_600_000 } }
        : {}),
      ...(last ? { last: { ...last, at: last.takenAt } } : {}),
    }
  })
}

function streamOf(state: FactoryState, channel: 'candidate' | 'promoted' | 'previous'): object | undefined {
  const { channels } = state
  const release = channel === 'candidate' ? channels.candidate : channels[channel]?.release
  if (release === undefined) return undefined
  const images = state.releases.find((one) => one.release === release)?.images ?? []
  return {
    stream: 'lab',
    metadata: { 'last-modified': '2026-11-25T12:00:00Z' },
    architectures: Object.fromEntries(
      images.map((published) => [
        published.image.arch,
        { 'x-factory': { release, image: published.image.name } },
      ]),
    ),
  }
}

function choosing(
  state: FactoryState,
  settings: Configuration,
  record: (...records: JournalRecord[]) => void,
  calls: string[],
): Serving['choose'] {
  const known = (release: string) => {
    const found = state.releases.find((one) => one.release === release)
    if (found) return found
    throw new FactoryError({
      code: 'release-unknown',
      message: `there is no release ${release}`,
      hint: `Known: ${state.releases.map((one) => one.release).join(', ')}`,
      class: 'user',
    })
  }
  let presses = 0
  return {
    async press(wish: Wish) {
      calls.push(`press ${JSON.stringify(wish)}`)
      const tick = `press-${++presses}`
      record({ type: 'tick-taken', rule: 'hand', tick, why: `${wish.by} asked for it` })
      return { tick }
    },
    async promote(release, choice) {
      if (!judge(known(release), settings.require).promotable && choice.force !== true) {
        throw new FactoryError({
          code: 'release-not-promotable',
          message: `release ${release} is not complete: aarch64 is missing`,
          hint: `factory release goes on with it; factory promote ${release} --force --why REASON`,
          class: 'user',
        })
      }
      calls.push(`promote ${release} ${JSON.stringify(choice)}`)
      record({ type: 'channel-moved', channel: 'promoted', release, ...decision(choice) })
    },
    async ignore(release, choice) {
      known(release)
      calls.push(`ignore ${release} ${JSON.stringify(choice)}`)
      record({ type: 'release-ignored', release, ...decision(choice) })
    },
    async pin(release, choice) {
      known(release)
      calls.push(`pin ${release} ${JSON.stringify(choice)}`)
      record({ type: 'release-pinned', release, pinned: choice.pinned, ...decision(choice) })
    },
    async rollback(choice) {
      const before = state.channels.previous?.release
      if (before === undefined) throw new Error('nothing to go back to')
      calls.push(`rollback ${JSON.stringify(choice)}`)
      record({ type: 'channel-moved', channel: 'promoted', release: before, ...decision(choice) })
      return { release: before }
    },
    async collectGarbage(limit) {
      calls.push(`gc ${limit}`)
      return { collected: [], kept: [] }
    },
    async resumeRule(rule, by) {
      calls.push(`resume ${rule} ${by}`)
      record({ type: 'rule-resumed', rule, by })
    },
  }
}

function decision({ by, why, force }: { by: string; why?: string; force?: boolean }) {
  return { by, ...(why === undefined ? {} : { why }), ...(force === true ? { forced: true } : {}) }
}
