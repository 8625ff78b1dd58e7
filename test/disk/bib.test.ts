import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { bib } from '#src/disk/bib.ts'
import { diskFailure } from '#src/disk/failures.ts'
import { rootSizeConfig } from '#src/disk/root-size.ts'
import type { DiskRequest } from '#src/disk/types.ts'
import { bashBuilder, recordingContext, type BashBuilder } from '../container/bash-builder.ts'
import { storedImage } from '../container/podman-store.ts'
import { failedTranscript, manifest, refusedTranscript, successTranscript } from './transcripts.ts'

const digest = `sha256:${'cd'.repeat(32)}`
const tool = { reference: 'quay.io/centos-bootc/bootc-image-builder:latest', digest }
const pinnedTool = `quay.io/centos-bootc/bootc-image-builder@${digest}`
const tag = 'localhost:5000/copr-builder:20261121.0'

const raw = Buffer.alloc(2 * 1024 ** 2)
raw.writeUInt16BE(0x55aa, 510)
const qcow2 = Buffer.alloc(196_624)
qcow2.writeUInt32BE(0x51_46_49_fb, 0)
qcow2.writeUInt32BE(3, 4)
qcow2.writeBigUInt64BE(BigInt(raw.length), 24)

const goodFiles = {
  'manifest-qcow2-raw.json': Buffer.from(manifest).toString('base64'),
  'qcow2/disk.qcow2': qcow2.toString('base64'),
  'image/disk.raw': raw.toString('base64'),
}

async function builderWith(
  disk: { transcript?: string; exitCode?: number; files?: Record<string, string> } = {},
): Promise<BashBuilder> {
  const builder = await bashBuilder()
  await builder.store((store) => {
    store.registry[pinnedTool] = storedImage('tool')
    store.images[tag] = storedImage('image')
    store.disk = { transcript: successTranscript, exitCode: 0, files: goodFiles, ...disk }
  })
  return builder
}

function request(builder: { directory: string }, change: Partial<DiskRequest> = {}): DiskRequest {
  return {
    arch: 'x86_64',
    jobId: 'copr-x86-64-5f',
    tag,
    tool,
    rootfs: 'xfs',
    formats: ['raw', 'qcow2'],
    outputDirectory: join(builder.directory, 'output'),
    logDirectory: join(builder.directory, 'logs'),
    limitMs: 60_000,
    ...change,
  }
}

describe('a disk build', () => {
  test('makes all formats in one run, qcow2 first, and finds them by their fixed names', async () => {
    await using builder = await builderWith()
    const artifacts = await bib.build(builder, request(builder), recordingContext())
    const output = join(builder.directory, 'output')
    expect(artifacts).toEqual([
      {
        format: 'qcow2',
        path: `${output}/qcow2/disk.qcow2`,
        sizeBytes: qcow2.length,
        virtualBytes: raw.length,
      },
      { format: 'raw', path: `${output}/image/disk.raw`, sizeBytes: raw.length, virtualBytes: raw.length },
    ])
    const run = (await builder.store()).calls.find(([subcommand]) => subcommand === 'run') ?? []
    const argumentsOfTool = run.slice(run.indexOf(pinnedTool))
    expect(argumentsOfTool).toEqual([pinnedTool, '--type', 'qcow2', '--type', 'raw', '--rootfs', 'xfs', tag])
    expect(run).not.toContain('-t')
  })

  test('pulls the tool by digest before it runs it', async () => {
    await using builder = await builderWith()
    await bib.build(builder, request(builder), recordingContext())
    const { calls } = await builder.store()
    expect(calls.map(([subcommand]) => subcommand)).toEqual(['image', 'pull', 'run'])
  })

  test('does not take a stale file of an earlier build for its own', async () => {
    await using builder = await builderWith({ files: {} })
    const stale = join(builder.directory, 'output', 'qcow2')
    await mkdir(stale, { recursive: true })
    await writeFile(join(stale, 'disk.qcow2'), qcow2)
    await writeFile(join(builder.directory, 'output', '.hidden'), '')
    const build = bib.build(builder, request(builder, { formats: ['qcow2'] }), recordingContext())
    await expect(build).rejects.toMatchObject({
      code: 'disk-output-missing',
      message: expect.stringContaining('qcow2/disk.qcow2'),
    })
  })

  test('fails and names the file when one of two formats is missing', async () => {
    const { 'image/disk.raw': _missing, ...files } = goodFiles
    await using builder = await builderWith({ files })
    const build = bib.build(builder, request(builder), recordingContext())
    await expect(build).rejects.toMatchObject({ message: expect.stringContaining('image/disk.raw') })
  })

  test.each(['vmdk/disk.vmdk', 'qcow2/other', 'image/a\nf 1 b', 'qcow2/deep/file'])(
    'fails and names the file when there is %j too',
    async (path) => {
      await using builder = await builderWith({ files: { ...goodFiles, [path]: '' } })
      const build = bib.build(builder, request(builder), recordingContext())
      await expect(build).rejects.toMatchObject({ code: 'disk-output-unexpected' })
      await expect(build).rejects.toThrow(path.split('\n')[0])
    },
  )

  test('fails when an image is cut off', async () => {
    await using builder = await builderWith({ files: { ...goodFiles, 'image/disk.raw': '' } })
    const build = bib.build(builder, request(builder), recordingContext())
    await expect(build).rejects.toMatchObject({ code: 'disk-output-damaged' })
  })

  test("hands the user's config to the tool unchanged and outside of any command line", async () => {
    await using builder = await builderWith()
    const config = `# it's "$(touch ${builder.directory}/pwned)" \`id\`\n${rootSizeConfig(10 * 1024 ** 3)}`
    await bib.build(builder, request(builder, { config }), recordingContext())
    const { images, calls } = await builder.store()
    expect(images[tag]?.files['config.toml']).toBe(config)
    expect(calls.flat().join(' ')).not.toContain('minsize')
    expect((await builder.exec(['find', builder.directory, '-name', 'pwned*'])).stdout).toBe('')
  })

  test.each([`localhost/copr-builder@${digest}`, 'localhost/x:1 --privileged', 'x:$(id)', "it's:1"])(
    'refuses the image name %j before anything runs',
    async (bad) => {
      await using builder = await builderWith()
      const build = bib.build(builder, request(builder, { tag: bad }), recordingContext())
      await expect(build).rejects.toMatchObject({ code: 'bad-image-tag' })
      expect(builder.jobs).toEqual([])
    },
  )

  test.each(['/', '/output', 'relative/output', '/var/../etc', '/var/a:b', '/var/a b', '/var/$(id)'])(
    'refuses to empty %j',
    async (outputDirectory) => {
      await using builder = await builderWith()
      const build = bib.build(builder, request(builder, { outputDirectory }), recordingContext())
      await expect(build).rejects.toMatchObject({ code: 'bad-output-directory' })
      expect(builder.jobs).toEqual([])
    },
  )

  test('tells which stage is running', async () => {
    await using builder = await builderWith()
    const ctx = recordingContext()
    await bib.build(builder, request(builder), ctx)
    const steps = ctx.emitted.filter(({ unit }) => unit === 'steps')
    expect(steps.map(({ message, done }) => `${message} ${done}`)).toEqual([
      'org.osbuild.rpm 1',
      'org.osbuild.selinux 2',
      'org.osbuild.sfdisk 3',
      'org.osbuild.bootc.install-to-filesystem 4',
      'org.osbuild.qemu 5',
    ])
  })

  test('learns from the manifest how many stages there will be', async () => {
    await using real = await builderWith()
    const ctx = recordingContext()
    const slow = {
      ...real,
      async followJob(id: string, options: Parameters<typeof real.followJob>[1]) {
        const lines: string[] = []
        const state = await real.followJob(id, { ...options, onLine: (line) => void lines.push(line) })
        const paused = lines.findIndex((line) => line.startsWith('starting -Pipeline'))
        for (const line of lines.slice(0, paused)) options.onLine(line)
        if (paused !== -1) await new Promise((resolve) => setTimeout(resolve, 300))
        for (const line of lines.slice(paused)) options.onLine(line)
        return state
      },
    }
    await bib.build(slow, request(real), ctx)
    expect(ctx.emitted).toContainEqual({ message: 'org.osbuild.qemu', done: 5, total: 5, unit: 'steps' })
  })
})

describe('a loop device that fails', () => {
  const flake = {
    subcommand: 'run',
    output: failedTranscript("FileNotFoundError: [Errno 2] No such file or directory: 'loop1'"),
    exitCode: 1,
  }

  test('is forgiven once', async () => {
    await using builder = await builderWith()
    await builder.store((store) => void store.scripted.push(flake))
    expect(await bib.build(builder, request(builder), recordingContext())).toHaveLength(2)
    expect(builder.jobs.map(({ id }) => id)).toEqual([
      'copr-x86-64-5f-tool',
      'copr-x86-64-5f-disks',
      'copr-x86-64-5f-disks-again',
    ])
  })

  test('is not forgiven twice', async () => {
    await using builder = await builderWith()
    await builder.store((store) => void store.scripted.push(flake, flake, flake))
    const build = bib.build(builder, request(builder), recordingContext())
    await expect(build).rejects.toMatchObject({ code: 'disk-loop-device', class: 'infra' })
    expect((await builder.store()).scripted).toHaveLength(1)
  })
})

describe('a failing tool', () => {
  const facts = request({ directory: '/var/lib' })
  const cannot = 'cannot build manifest:'

  test.each([
    [
      failedTranscript("cp: error writing '/output/image/disk.raw': No space left on device"),
      1,
      'builder-disk-full',
    ],
    [failedTranscript('error: Failed to find PReP partition with GUID 9E1A2D38'), 1, 'disk-prep-partition'],
    [failedTranscript("AttributeError: 'Loop' object has no attribute 'fd'"), 1, 'disk-loop-device'],
    [
      failedTranscript('losetup: disk.img: failed to set up loop device: Device or resource busy'),
      1,
      'disk-loop-device',
    ],
    [
      failedTranscript('mount: /dev/loop18p4: can not mount: Filesystem has duplicate UUID'),
      1,
      'disk-loop-device',
    ],
    [failedTranscript('Killed'), 137, 'builder-out-of-memory'],
    [failedTranscript('bootc: something new'), 1, 'disk-build-failed'],
    [refusedTranscript(`${cannot} missing required info: DefaultRootFs`), 1, 'disk-rootfs-missing'],
    [refusedTranscript(`${cannot} image localhost/x:1 is not a bootc image`), 1, 'image-not-bootc'],
    [
      refusedTranscript('this command must be run in rootful (not rootless) podman'),
      1,
      'disk-builder-unprivileged',
    ],
    [refusedTranscript('this command requires a privileged container'), 1, 'disk-builder-unprivileged'],
    [
      refusedTranscript('could not access container storage, did you forget -v …'),
      1,
      'container-storage-not-found',
    ],
    [
      refusedTranscript('cannot detect build types [x]: unsupported image type "x"'),
      1,
      'disk-type-unsupported',
    ],
    [
      refusedTranscript('cannot read config: cannot decode "/config.toml": unknown keys'),
      1,
      'disk-config-invalid',
    ],
    [refusedTranscript('failed to inspect the image: exit status 125'), 1, 'disk-image-not-found'],
    [
      refusedTranscript('requested bootc arch "aarch64" does not match [x86_64]'),
      1,
      'container-wrong-architecture',
    ],
    [refusedTranscript('cannot build manifest: the moon is in the way'), 1, 'disk-request-refused'],
    ['Error: crun: cannot set up cgroup: OCI runtime error\n', 126, 'disk-builder-not-started'],
    ['', 1, 'disk-build-failed'],
  ])('saying %j with exit code %i', (output, exitCode, code) => {
    expect(diskFailure(facts, { exitCode, lastLines: output.split('\n') }).code).toBe(code)
  })

  test('is not the fault of a loop device that was only named on the way', () => {
    const lastLines = failedTranscript('mounting /dev/loop18p4 -> /store/tmp/x\nloop18 acquired\nboom').split(
      '\n',
    )
    expect(diskFailure(facts, { exitCode: 1, lastLines }).code).toBe('disk-build-failed')
  })

  test('makes the build fail with the stage and its last error line, without what only counts', async () => {
    await using builder = await builderWith()
    const output = failedTranscript('sfdisk: cannot find the moon')
    await builder.store((store) => void store.scripted.push({ subcommand: 'run', output, exitCode: 1 }))
    const failure = await bib
      .build(builder, request(builder), recordingContext())
      .catch((error: unknown) => error)
    const lines = String((failure as Error).message).split('\n')
    expect(lines[0]).toBe(
      'the disk build on x86_64 failed in org.osbuild.sfdisk: sfdisk: cannot find the moon:',
    )
    expect(lines.join('\n')).not.toContain('Duration')
  })
})

test('the matrix knows formats and architectures', () => {
  expect(bib.makes('s390x', 'qcow2')).toBe(true)
  expect(bib.makes('ppc64le', 'raw')).toBe(true)
})
