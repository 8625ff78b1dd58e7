import { type ArchitectureName, architectureNames } from '#arch/index.ts'
import type { CloudKind, Finding, Image } from '#clouds/types.ts'
import type { Configuration } from '#src/config/types.ts'
import type { StepName, StepPlace } from '#src/events.ts'
import type { CloudAbilities } from '#src/release/destinations.ts'
import type { RuleView, Serving } from '#src/web/types.ts'
import { scriptedServing } from './scripted-serving.ts'

const minute = 60_000
const day = 1440 * minute
const gibibyte = 2 ** 30
const now = Date.parse('2026-11-25T14:20:00Z')

interface Place {
  cloud: string
  kind: CloudKind
  region: string
  format: 'raw' | 'qcow2'
}

const hypervisors = ['hv1', 'hv2'].map((region): Place => ({
  cloud: 'hypervisors',
  kind: 'libvirt',
  region,
  format: 'qcow2',
}))
const aws = ['us-east-1', 'eu-west-1'].map((region): Place => ({
  cloud: 'aws',
  kind: 'aws',
  region,
  format: 'raw',
}))
const ibm: Place = { cloud: 'ibm', kind: 'ibm', region: 'eu-es', format: 'qcow2' }

/** Where images of each architecture go, how many minutes its steps take, and what its machine costs an hour. */
const world: Record<ArchitectureName, { places: Place[]; pace: number; machine: string; hour?: number }> = {
  x86_64: { places: [...hypervisors, ...aws], pace: 1, machine: 'c7i.xlarge (spot)', hour: 0.0714 },
  aarch64: { places: aws, pace: 1.15, machine: 'c7g.xlarge (spot)', hour: 0.0581 },
  ppc64le: { places: hypervisors, pace: 1.6, machine: 'a machine of hv2' },
  s390x: { places: [ibm], pace: 1.35, machine: 'bz2-2x8', hour: 0.1082 },
}

const published: Partial<Configuration> = {
  image: { name: 'copr-builder', source: { kind: 'ref', ref: 'quay.io/example/copr-builder' } },
  publish: ['hypervisors', 'aws', 'ibm'].map((to) => ({
    to,
    architectures: architectureNames.filter((arch) => world[arch].places.some(({ cloud }) => cloud === to)),
    format: 'raw',
    verify: true,
  })),
}

const minutesOf: Record<StepName, number> = {
  lease: 0.7,
  prepare: 0.6,
  container: 5.2,
  push: 0.4,
  disks: 6.1,
  collect: 1.3,
  'give-back': 0.1,
  publish: 1.8,
  verify: 1.4,
}
const buildSteps: StepName[] = ['lease', 'prepare', 'container', 'push', 'disks', 'collect', 'give-back']
const targetSteps: StepName[] = ['publish', 'verify']

/** A factory of four architectures and three clouds with some history, in the middle of a release: to look at, and to go on with. */
export function showcase(changes: Partial<Configuration> = {}) {
  const scripted = scriptedServing({ architectures: architectureNames, ...published, ...changes })
  const { state, world: script, record } = scripted
  Object.assign(state, { releases: [], leases: [], channels: {} })
  state.collected.clear()
  state.rules.clear()
  const clock = { at: now }
  const at = (time: number) => {
    clock.at = time
    script.setNow(time)
  }
  const scene: Scene = { record, at }

  for (const [index, release] of ['1002', '1009', '1016', '1023', '1030', '1106', '1113'].entries())
    pastRelease(scene, `2026${release}.0`, now - (54 - 7 * index) * day, 1 + 0.06 * ((index * 5) % 4))
  at(now - 11 * day)
  record({ type: 'channel-moved', channel: 'promoted', release: '20261106.0', by: 'jana' })
  at(now - 7 * day)
  record({
    type: 'channel-moved',
    channel: 'promoted',
    release: '20261113.0',
    by: 'jana',
    why: 'kernel 6.17.8 fixes the s390x hang',
  })
  brokenRelease(scene, '20261118.0', now - 7 * day + 90 * minute)
  pastRelease(scene, '20261120.0', now - 5 * day, 0.97)
  record({ type: 'channel-moved', channel: 'candidate', release: '20261120.0' })
  const running = runningRelease(scene, '20261125.0')
  at(now)

  const serving: Serving = {
    ...scripted.serving,
    clouds,
    rules: () => rules,
    findings: () => ({ at: now - 12 * minute, found: findings }),
    logTail: async (_release, arch, count) =>
      (running.logs.get(arch as ArchitectureName) ?? []).slice(-count),
  }
  return { ...scripted, serving, running: { ...running, at } }
}

interface Scene {
  record: ReturnType<typeof scriptedServing>['record']
  at(time: number): void
}

function open({ record, at }: Scene, release: string, time: number, why: string): void {
  at(time)
  record({
    type: 'release-opened',
    release,
    key: keyOf(release),
    owner: 'copr',
    imageName: 'copr-builder',
    inputs: {},
    builds: architectureNames.map((arch) => ({ arch, buildKey: keyOf(release + arch), why })),
    destinations: architectureNames.flatMap((arch) =>
      world[arch].places.map(({ cloud, region, format }) => ({ cloud, region, arch, format, verify: true })),
    ),
  })
}

function pastRelease(scene: Scene, release: string, time: number, factor: number): void {
  const { record, at } = scene
  open(scene, release, time, 'base image quay.io/fedora/fedora-bootc:43 changed')
  const ends = architectureNames.map((arch) => {
    const end = steps(scene, release, arch, time, buildSteps, factor)
    lease(scene, release, arch, time, end)
    collected(scene, release, arch, factor)
    return publish(scene, release, arch, end, factor)
  })
  at(Math.max(...ends))
  record({ type: 'release-closed', release, outcome: 'done', durationMs: Math.max(...ends) - time })
}

function brokenRelease(scene: Scene, release: string, time: number): void {
  const { record, at } = scene
  open(scene, release, time, 'the Containerfile changed')
  for (const arch of architectureNames) {
    const whole = arch !== 'ppc64le'
    const end = steps(scene, release, arch, time, whole ? buildSteps : buildSteps.slice(0, 2), 1)
    lease(scene, release, arch, time, end + minute)
    if (whole) {
      collected(scene, release, arch, 1)
      publish(scene, release, arch, end, 1)
      continue
    }
    const place = { release, arch, step: 'container' } as const
    record({ type: 'step-started', ...place })
    const message =
      'the Containerfile fails on ppc64le at STEP 4/9: RUN dnf -y install qemu-kvm-core:\n  No match for argument: qemu-kvm-core'
    const hint = 'Correct the Containerfile and release again; only ppc64le is built then.'
    const error = { code: 'containerfile-failed', class: 'user', message, hint } as const
    record({ type: 'step-failed', ...place, durationMs: 1.4 * minute, error })
  }
  at(time + 25 * minute)
  record({ type: 'release-closed', release, outcome: 'partial', durationMs: 25 * minute })
}

/** Each architecture somewhere else; returns how to go on. */
function runningRelease(scene: Scene, release: string) {
  const { record, at } = scene
  const time = now - 11 * minute
  open(scene, release, time, 'commit 8f31c02 of main changed containerfiles/copr-builder/Containerfile')
  const reached: [ArchitectureName, number][] = [
    ['x86_64', 5],
    ['aarch64', 4],
    ['ppc64le', 2],
    ['s390x', 4],
  ]
  const logs = new Map<ArchitectureName, string[]>()
  for (const [arch, done] of reached) {
    const end = steps(scene, release, arch, time, buildSteps.slice(0, done), 0.6)
    lease(scene, release, arch, time)
    at(end)
    const step = buildSteps[done] ?? 'collect'
    record({ type: 'step-started', release, arch, step })
    logs.set(arch, logOf(step, arch))
  }
  return {
    release,
    logs,
    current: reached.map(([arch, done]): StepPlace => ({ arch, step: buildSteps[done]! })),
  }
}

function steps(
  { record, at }: Scene,
  release: string,
  arch: ArchitectureName,
  begin: number,
  names: readonly StepName[],
  factor: number,
): number {
  let time = begin
  for (const step of names) {
    const durationMs = Math.round(minutesOf[step] * world[arch].pace * factor * minute)
    at(time)
    record({ type: 'step-started', release, arch, step })
    time += durationMs
    record({ type: 'step-finished', release, arch, step, durationMs, summary: '' })
  }
  return time
}

function lease({ record, at }: Scene, release: string, arch: ArchitectureName, begin: number, end?: number) {
  const { places, machine, hour } = world[arch]
  const id = `${release.replace('.', '-')}-${arch.replace('_', '-')}`
  const cloud = places.at(-1)!.cloud
  const expires = new Date((end ?? now) + 240 * minute).toISOString()
  at(begin)
  const held = { id, owner: 'copr', release, arch, expires }
  record({ type: 'lease-taken', release, cloud, lease: held, purpose: 'build', dataBytes: 40 * gibibyte })
  record({
    type: 'lease-acquired',
    release,
    ref: {
      leaseId: id,
      arch,
      machine: cloud === 'aws' ? `i-0${keyOf(id).slice(0, 16)}` : `factory-${id}`,
      address: { host: '192.0.2.1', port: 22 },
      user: 'root',
      hostPublicKey: 'ssh-ed25519 AAAA',
      rates: [{ what: machine, ...(hour === undefined ? {} : { price: { amount: hour, currency: 'USD' } }) }],
    },
  })
  if (end === undefined) return
  at(end)
  record({ type: 'lease-released', release, leaseId: id })
}

function collected({ record }: Scene, release: string, arch: ArchitectureName, factor: number): void {
  const { format } = world[arch].places[0]!
  const contentBytes = Math.round(1.55 * gibibyte * (0.7 + 0.3 * factor) * (0.85 + world[arch].pace / 7))
  record({
    type: 'artifacts-collected',
    release,
    arch,
    buildKey: keyOf(release + arch),
    identity: release,
    artifacts: [
      {
        arch,
        format,
        sha256: keyOf(arch + release),
        sizeBytes: contentBytes,
        virtualBytes: 10 * gibibyte,
        contentBytes,
      },
    ],
  })
}

function publish(
  { record, at }: Scene,
  release: string,
  arch: ArchitectureName,
  begin: number,
  factor: number,
): number {
  let end = begin
  for (const step of targetSteps) {
    const durationMs = Math.round(minutesOf[step] * world[arch].pace * factor * minute)
    for (const { cloud, region } of world[arch].places) {
      at(end)
      const place = { release, arch, step, target: `${cloud}/${region}` }
      record({ type: 'step-started', ...place })
      record({ type: 'step-finished', ...place, durationMs, summary: step === 'verify' ? 'passed' : 'new' })
    }
    end += durationMs
  }
  at(end)
  for (const place of world[arch].places) {
    const image = imageOf(release, arch, place)
    record({ type: 'image-published', release, image })
    const verified = { imageId: image.id, arch, cloud: image.cloud, region: image.region }
    record({ type: 'image-verified', release, ...verified, result: 'passed', how: 'booted', bootMs: 21_000 })
  }
  return end
}

function imageOf(release: string, arch: ArchitectureName, { cloud, kind, region, format }: Place): Image {
  const hex = keyOf(region + arch + release)
  const name = `copr-builder-${release}-${arch}`
  const ids: Partial<Record<CloudKind, string>> = {
    aws: `ami-0${hex.slice(0, 16)}`,
    ibm: `r050-${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(12, 15)}-a${hex.slice(15, 18)}-${hex.slice(18, 30)}`,
  }
  const facts = { cloud, kind, region, arch, name: `${name}.${format}`, format, release }
  return {
    ...facts,
    id: ids[kind] ?? `/images/${name}.${format}`,
    sha256: keyOf(arch + release),
    sizeBytes: 10 * gibibyte,
  }
}

/** Sixty-four digits that look like a digest and are always the same. */
function keyOf(text: string): string {
  let hash = 2166136261
  let digits = ''
  for (let round = 0; digits.length < 64; round += 1) {
    for (const character of `${text}${round}`)
      hash = Math.imul(hash ^ character.charCodeAt(0), 16777619) >>> 0
    digits += hash.toString(16).padStart(8, '0')
  }
  return digits
}

function logOf(step: StepName, arch: ArchitectureName): string[] {
  if (step === 'collect')
    return [
      'org.osbuild.qemu: done',
      'Build complete: image/disk.raw, 1.6 GiB of data',
      'job disks: exit code 0, the log is whole',
      'disk.raw: 1.6 GiB in 212 extents to send, zstd',
    ]
  if (step === 'container')
    return [
      'STEP 4/9: RUN dnf -y install qemu-kvm-core nosync podman',
      `Fedora 43 - ${arch}                4.1 MB/s |  36 MB     00:08`,
      ...['nosync-1.1-21', 'podman-5.7.0-1', 'qemu-kvm-core-10.1.2-1'].map(
        (name, index) => `(${index + 1}/118): ${name}.fc43.${arch}.rpm`,
      ),
      'Running transaction check',
      'Transaction check succeeded.',
      ...['libaio', 'libslirp', 'conmon', 'passt'].map(
        (name, index) => `  Installing  : ${name.padEnd(18)} ${index + 1}/118`,
      ),
    ]
  if (arch === 's390x')
    return [
      'org.osbuild.bootc.install-to-filesystem: done in 4 min 12 s',
      'org.osbuild.fstab: /, /boot',
      'org.osbuild.zipl.inst: writing the boot record',
      'org.osbuild.selinux: relabelling',
      ...['/etc', '/usr/bin', '/usr/lib', '/usr/share'].map((path) => `Relabeled ${path}`),
    ]
  return [
    `Build started for raw on ${arch}`,
    'org.osbuild.bootc.install-to-filesystem: starting',
    'Installing image: docker://localhost/factory/build',
    'layers already present: 0; layers needed: 67 (1.4 GB)',
    ...Array.from({ length: 6 }, (_, index) => `Fetched layers: ${index * 180 + 90} MB of 1.4 GB`),
  ]
}

const clouds: CloudAbilities = new Map(
  ['aws', 'ibm'].map((name) => [
    name,
    {
      images: {
        rate: (_region: string, bytes: number) => ({
          what: 'storage',
          price: { amount: (bytes / gibibyte) * 0.05, currency: 'USD' },
        }),
      },
    } as never,
  ]),
)

const findings: Finding[] = [
  {
    severity: 'warning',
    subject: 'aws: quota of spot instances in eu-west-1',
    message: '8 of 16 vCPUs are in use by others: one of two builders may have to wait.',
    hint: 'Ask AWS for more, or give aarch64 another cloud.',
  },
  ...[
    'pool images on hv1',
    'pool images on hv2',
    'aws: rights',
    'aws: base AMIs',
    'ibm: rights',
    'this machine',
  ].map((subject): Finding => ({ severity: 'ok', subject, message: 'in order' })),
]

const rules: RuleView[] = [
  {
    name: 'containerfile',
    meaning: 'when a commit on main of https://github.com/example/images changes what the build uses',
    nextAt: now + 4 * minute,
    last: { tick: '8f31c02', why: 'main moved to 8f31c02', at: now - 11 * minute, release: '20261125.0' },
  },
  {
    name: 'cron',
    meaning: 'at 04:00 on Mondays (Europe/Prague)',
    nextAt: Date.parse('2026-11-30T03:00:00Z'),
    last: {
      tick: '2026-11-23T03:00:00Z',
      why: 'the schedule was due on 2026-11-23 04:00',
      at: Date.parse('2026-11-23T03:00:00Z'),
      outcome: 'nothing-changed',
    },
  },
  {
    name: 'inactivity',
    meaning: 'when there has been no promotable release for 14 days',
    nextAt: now + 9 * day,
  },
  {
    name: 'base',
    meaning: 'when quay.io/fedora/fedora-bootc:43 or the disk builder moves',
    paused: { why: 'its releases failed 3 times in a row', at: now - 2 * day },
    last: {
      tick: 'sha256:77aa',
      why: 'fedora-bootc:43 moved',
      at: now - 2 * day,
      outcome: 'failed',
      message: 'quay.io answered 503',
    },
  },
]
