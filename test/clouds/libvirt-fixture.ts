import { createHash, randomBytes } from 'node:crypto'
import { statSync } from 'node:fs'
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cloudConfigurations } from '#clouds/index.ts'
import { imageVolumeNames } from '#clouds/libvirt/image-marker.ts'
import { createLibvirtCloud } from '#clouds/libvirt/index.ts'
import type { LeaseMarks } from '#clouds/libvirt/lease-marks.ts'
import { probeGuests } from '#clouds/libvirt/probe-guest.ts'
import type { BuilderSpec, Cloud, ImageKey, Lease } from '#clouds/types.ts'
import { makeAccess } from '#src/builder/keys.ts'
import type { Artifact } from '#src/artifact/types.ts'
import type { CloudFixture } from '#test/contract/cloud.ts'
import { type TestPool, createTestPool, localUri, putVolume } from './libvirt-pool.ts'
import { type OwnProcess, callInOwnProcess } from './own-process.ts'

export interface LibvirtFixture extends CloudFixture {
  readonly pool: TestPool
  /** A directory of the test. */
  readonly directory: string
  open(overrides?: object, stateDirectory?: string): Promise<Cloud>
  /** Writes a raw artifact: that many MiB of content that nobody else has, then a hole. */
  makeArtifact(name: string, contentMiB: number, sizeMiB: number): Promise<Artifact>
  /** Starts a publish in a process of its own and returns while the content is on its way. */
  startPublish(artifact: Artifact, key: ImageKey): Promise<OwnProcess>
  /** Starts a call in a process of its own. */
  startAcquire(spec: BuilderSpec, lease: Lease, overrides?: object): OwnProcess
  startTryGuest(marks: LeaseMarks): OwnProcess
}

export const tinyBase = 'tiny.raw'
/** So quick that a test can wait for it; its leases are mostly far longer than the test. */
export const quickPace = { everySeconds: 1, graceSeconds: 2 }
const mebibyte = 1024 ** 2

/** A cloud on this machine's own libvirt with a pool of its own; its base disk is a boot sector that says a line and halts. */
export async function createLibvirtFixture(): Promise<LibvirtFixture> {
  const pool = await createTestPool()
  const directory = await mkdtemp(join(tmpdir(), 'factory-test-'))
  await writeFile(join(directory, tinyBase), probeGuests.x86_64.disk!())
  await putVolume(pool, tinyBase, join(directory, tinyBase))
  const owner = `test-${randomBytes(3).toString('hex')}`
  const { authorizedKey, hostPublicKey, hostPrivateKeyFile } = await makeAccess(join(directory, 'keys'))
  const spec: BuilderSpec = {
    arch: 'x86_64',
    purpose: 'build',
    dataBytes: 64 * mebibyte,
    leaseMs: 600_000,
    access: { authorizedKey, hostPublicKey, hostPrivateKeyFile },
  }
  const written = {
    kind: 'libvirt',
    uri: localUri,
    pool: pool.name,
    base: { x86_64: { volume: tinyBase } },
    memory: '256 MiB',
    accelerator: 'tcg',
  }
  const stateDirectory = join(directory, 'state')
  const makeArtifact = (name: string, contentMiB: number, sizeMiB: number) =>
    writeArtifact(join(directory, name), contentMiB, sizeMiB)

  const configure = (overrides: object) => cloudConfigurations.libvirt.parse({ ...written, ...overrides })
  const settings = { configuration: configure({}), owner, stateDirectory, watchPace: quickPace }
  const startPublish = async (artifact: Artifact, key: ImageKey) => {
    const publisher = callInOwnProcess(settings, 'publish', artifact, key)
    const volume = join(pool.path, imageVolumeNames(key).volume)
    const hasContent = () => (statSync(volume, { throwIfNoEntry: false })?.blocks ?? 0) > 0
    while (!hasContent() && !publisher.hasEnded()) {
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    return publisher
  }

  return {
    owner,
    pool,
    directory,
    spec,
    artifact: await makeArtifact('disk.raw', 96, 256),
    makeArtifact,
    async open(overrides = {}, state = stateDirectory) {
      return await createLibvirtCloud('test', configure(overrides), { ...settings, stateDirectory: state })
    },
    async plantForeign(key) {
      await putVolume(pool, imageVolumeNames(key).volume, join(directory, tinyBase))
    },
    startPublish,
    async killPublish(artifact, key) {
      await (await startPublish(artifact, key)).kill()
    },
    startAcquire: (spec, lease, overrides = {}) =>
      callInOwnProcess({ ...settings, configuration: configure(overrides) }, 'acquire', spec, lease),
    startTryGuest: (marks) => callInOwnProcess(settings, 'tryGuest', marks),
    async [Symbol.asyncDispose]() {
      await pool[Symbol.asyncDispose]()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function writeArtifact(path: string, contentMiB: number, sizeMiB: number): Promise<Artifact> {
  const content = randomBytes(contentMiB * mebibyte)
  await writeFile(path, content)
  await truncate(path, sizeMiB * mebibyte)
  const hash = createHash('sha256').update(content)
  for (let hole = contentMiB; hole < sizeMiB; hole += 1) hash.update(Buffer.alloc(mebibyte))
  const sizeBytes = sizeMiB * mebibyte
  const sha256 = hash.digest('hex')
  const contentBytes = content.length
  return { arch: 'x86_64', format: 'raw', path, sha256, sizeBytes, virtualBytes: sizeBytes, contentBytes }
}
