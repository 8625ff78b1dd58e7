import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ArchitectureName } from '#arch/index.ts'
import { ensureLab } from './lab.ts'
import { layerOf, type RunOptions, type StandinHost, standinHost } from './oci-standin-host.ts'

const native: ArchitectureName = process.arch === 'arm64' ? 'aarch64' : 'x86_64'
const foreign: ArchitectureName = native === 'x86_64' ? 'aarch64' : 'x86_64'
const image = 'localhost/tiny:one'

let host: StandinHost

beforeAll(async () => {
  await ensureLab((line) => process.stderr.write(`${line}\n`))
  host = await standinHost(native, () => {})
  const tiny = await layerOf(host.directory, {
    '/usr/lib/modules/1.0/vmlinuz': 'a kernel',
    '/usr/lib/modules/1.0/initramfs.img': 'an initramfs',
  })
  const rootfs = await layerOf(host.directory, {
    '/usr/lib/bootc/install/10-test.toml': '[install.filesystem.root]\ntype = "ext4"\n',
  })
  await host.addImage(image, { layers: [tiny, rootfs] })
  await host.addImage('localhost/plain:one', { layers: [tiny, rootfs], labels: {} })
  await host.addImage('localhost/no-rootfs:one', { layers: [tiny] })
  await host.addImage('localhost/foreign:one', { layers: [tiny, rootfs], arch: foreign })
  for (const fault of [
    'enospc',
    'loop-flake-once',
    'hang',
    'partial',
    'missing-output',
    'stale-output',
    'prep-missing',
  ]) {
    const layer = await layerOf(host.directory, { '/usr/lib/lab/fault': `${fault}\n` })
    await host.addImage(`localhost/fault:${fault}`, { layers: [tiny, rootfs, layer] })
  }
})

afterAll(async () => {
  await host?.[Symbol.asyncDispose]()
})

describe('what it makes', () => {
  test('makes a qcow2 when no type is asked for and tells it on the right streams', async () => {
    const { exitCode, stdout, stderr, output } = await host.run([image])
    expect(stderr).toBe(
      [
        'Generating manifest manifest-qcow2.json',
        'Manifest generation step',
        'Done generating manifest',
        'Disk image building step',
        'Building manifest-qcow2.json',
        'Build complete!',
        'Results saved in .\n',
      ].join('\n'),
    )
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^starting -Pipeline source org\.osbuild\.containers-storage: [0-9a-f]{64}$/m)
    expect(stdout).toMatch(/^Pipeline build: [0-9a-f]{64}$/m)
    expect(stdout).toMatch(/^org\.osbuild\.mkfs\.ext4: [0-9a-f]{64} \{.*\}$/m)
    expect(stdout).toMatch(/^⏱ {2}Duration: \d+s$/m)
    expect(stdout).toMatch(/^manifest - finished successfully$/m)
    expect(await files(output)).toEqual(['manifest-qcow2.json', 'qcow2/disk.qcow2'])
    expect((await readFile(join(output, 'qcow2/disk.qcow2'))).subarray(0, 4).toString('latin1')).toBe(
      'QFI\xfb',
    )
    const manifest = await readFile(join(output, 'manifest-qcow2.json'), 'utf8')
    expect(JSON.parse(manifest)).toMatchObject({ version: '2' })
    expect(manifest.endsWith('}\n')).toBe(true)
  })

  test('makes two types in one run, the same disk in both', async () => {
    const { exitCode, output } = await host.run(['--type', 'qcow2', '--type=raw', image])
    expect(exitCode).toBe(0)
    expect(await files(output)).toEqual(['image/disk.raw', 'manifest-qcow2-raw.json', 'qcow2/disk.qcow2'])
    const [raw, qcow2] = [join(output, 'image/disk.raw'), join(output, 'qcow2/disk.qcow2')]
    await execa('qemu-img', ['compare', raw, qcow2])
    const table = await execa('sfdisk', ['--json', raw])
    expect(JSON.parse(table.stdout)).toMatchObject({ partitiontable: { label: 'gpt' } })
    const { blocks, size } = await stat(raw)
    expect(blocks * 512).toBeLessThan(size / 10)
  })

  test('gives ami and raw the same file', async () => {
    const { exitCode, output } = await host.run(['--type', 'ami', '--type', 'raw', image])
    expect(exitCode).toBe(0)
    expect(await files(output)).toEqual(['image/disk.raw', 'manifest-ami-raw.json'])
  })

  test('gives the root file system the size that the configuration asks for', async () => {
    const config = '[[customizations.filesystem]]\nmountpoint = "/"\nminsize = "1536 MiB" # enough\n'
    const { output } = await host.run(['--type', 'raw', image], { files: { '/config.toml': config } })
    const table = JSON.parse((await execa('sfdisk', ['--json', join(output, 'image/disk.raw')])).stdout)
    expect(table.partitiontable.partitions.at(-1).size * 512).toBe(1536 * 2 ** 20)
  })

  test('overwrites the results of an earlier run and leaves nothing else', async () => {
    const output = join(host.directory, 'twice')
    await mkdir(join(output, 'qcow2'), { recursive: true })
    await writeFile(join(output, 'qcow2/disk.qcow2'), 'old')
    expect((await host.run([image], { output })).exitCode).toBe(0)
    expect(await files(output)).toEqual(['manifest-qcow2.json', 'qcow2/disk.qcow2'])
    expect((await stat(join(output, 'qcow2/disk.qcow2'))).size).toBeGreaterThan(1000)
  })

  test('hands the results to the user of --chown, a bare one with the group of the process', async () => {
    const { output } = await host.run(['--chown', '1000', image])
    expect(await stat(join(output, 'qcow2/disk.qcow2'))).toMatchObject({ uid: 1000, gid: 0 })
    expect(await stat(join(output, 'manifest-qcow2.json'))).toMatchObject({ uid: 1000, gid: 0 })
  })

  test('says every milestone exactly once and nothing on stdout with --progress debug', async () => {
    const { stdout, stderr } = await host.run(['--progress', 'debug', image])
    expect(stdout).toBe('')
    for (const line of [
      'Start progressbar',
      'Manifest generation step',
      'Disk image building step',
      'Build complete',
      'Stop progressbar',
    ]) {
      expect(stderr.split('\n').filter((said) => said === line)).toEqual([line])
    }
    expect(stderr).toMatch(/^\[\d+ \/ \d+\] Pipeline image$/m)
  })

  test('prints its version, and a manifest without making files', async () => {
    expect((await host.run(['--version'])).stdout).toMatch(
      /^build_revision: [0-9a-f]{7}\nbuild_time: \S+\nbuild_tainted: (true|false)\n$/,
    )
    const { stdout, output } = await host.run(['manifest', image])
    expect(JSON.parse(stdout).pipelines[0]).toEqual({ name: 'build' })
    expect(await files(output)).toEqual([])
  })
})

describe('what it refuses', () => {
  const bad = 'localhost/it\'s "not" $(there):one'
  const refusals: [string, string[], string, RunOptions?][] = [
    ['no image', [], 'accepts 1 arg(s), received 0'],
    ['two images', [image, image], 'accepts 1 arg(s), received 2'],
    ['an unknown flag', [image, '--frobnicate=1'], 'unknown flag: --frobnicate'],
    ['a flag without its value', [image, '--type'], 'flag needs an argument: --type'],
    [
      'an incomplete set of aws flags',
      ['--type', 'ami', '--aws-region', 'x', image],
      'if any flags in the group [aws-region aws-bucket aws-ami-name] are set they must all be set; missing [aws-ami-name aws-bucket]',
    ],
    [
      'rootless podman',
      ['--type', 'nonsense', image],
      'cannot validate the setup: this command must be run in rootful (not rootless) podman',
      { container: 'rootless' },
    ],
    [
      'a container that is not privileged',
      ['--type', 'nonsense', image],
      'cannot validate the setup: this command requires a privileged container',
      { container: 'unprivileged' },
    ],
    [
      'aws flags without an ami',
      ['--aws-region', 'x', '--aws-bucket', 'y', '--aws-ami-name', 'z', image],
      'cannot handle AWS setup: aws flags set for non-ami image type (type is set to qcow2)',
    ],
    [
      'a chown that cannot be done',
      ['--chown', 'nobody-of-that-name', '--local=false', image],
      'chowning is not allowed in output directory',
    ],
    [
      'an unknown kind of progress',
      ['--progress', 'x', '--local=false', image],
      'unknown progress type: "x"',
    ],
    [
      '--local=false',
      ['--local=false', '--target-arch', 'x', image],
      `cannot build manifest: --local=false is no longer supported, remove it and make sure to pull the container before running bib:\n\tsudo podman pull ${image}`,
    ],
    [
      'an unknown architecture',
      ['--target-arch', 'x', image],
      'cannot build manifest: unsupported architecture "x"',
      { container: 'without-storage' },
    ],
    [
      'storage that is not mounted',
      ['--type', 'x', image],
      'cannot build manifest: could not access container storage, did you forget -v /var/lib/containers/storage:/var/lib/containers/storage?',
      { container: 'without-storage' },
    ],
    [
      'an unknown type',
      ['--type', 'x', image],
      'cannot build manifest: cannot detect build types [x]: unsupported image type "x", valid types are ami, anaconda-iso, bootc-installer, gce, iso, ova, pxe-tar-xz, qcow2, raw, vhd, vmdk',
      { files: { '/config.toml': 'nonsense = 1' } },
    ],
    ['a list of types with a comma', ['--type', 'raw,qcow2', image], 'unsupported image type "raw,qcow2"'],
    [
      'an ISO and a disk at once',
      ['--type', 'iso', '--type', 'raw', image],
      'cannot mix ISO/disk images in request [iso raw]',
    ],
    [
      'an unknown key in TOML',
      [bad],
      'cannot build manifest: cannot read config: cannot decode "/config.toml": unknown keys found: [customizations.user.nmae]',
      {
        files: {
          '/config.toml': '[[customizations.user]]\nnmae = "x"\n[[customizations.user]]\nnmae = "y"\n',
        },
      },
    ],
    [
      'an unknown key in JSON',
      [image],
      'cannot decode "/config.json": unknown keys found: [customisations.kernel.append]',
      { files: { '/config.json': '{"customisations": {"kernel": {"append": "quiet"}}}' } },
    ],
    [
      'an unknown key in JSON on standard input',
      ['--config', '-', image],
      'cannot decode "-": unknown keys found: [x]',
      { stdin: '{"blueprint": {"x": 1}}' },
    ],
    [
      'a configuration in a place with spaces and quotes',
      ['--config', '/con fig/it\'s "x".toml', image],
      'cannot decode "/con fig/it\'s "x".toml": unknown keys found: [x]',
      { files: { '/con fig/it\'s "x".toml': 'x = 1' } },
    ],
    [
      'two configurations',
      [image],
      'cannot read config: found "config.json" and also "config.toml", only a single one is supported',
      { files: { '/config.json': '{}', '/config.toml': '' } },
    ],
    [
      'an image that was not pulled',
      [bad],
      `cannot build manifest: failed to inspect the image: ${bad}: image not known\nbootc-image-builder no longer pulls images, make sure to pull it before running bootc-image-builder:\n    sudo podman pull ${bad}`,
    ],
    ['an image named by digest', [`localhost/tiny@sha256:${'0'.repeat(64)}`], 'failed to inspect the image'],
    [
      'an image that cannot boot',
      ['localhost/plain:one'],
      'cannot build manifest: image localhost/plain:one is not a bootc image',
    ],
    [
      'an image that leaves the file system open',
      ['localhost/no-rootfs:one'],
      'cannot build manifest: failed to initialize bootc distro: missing required info: DefaultRootFs',
    ],
    [
      'an image of another architecture',
      ['localhost/foreign:one'],
      `failed to initialize bootc distro: requested bootc arch "${native}" does not match available arches [${foreign}]`,
    ],
    [
      'another architecture than the image has',
      ['--target-arch', foreign, image],
      `requested bootc arch "${foreign}" does not match available arches [${native}]`,
    ],
    [
      'both ways of laying out the disk',
      [image],
      'cannot combine disk and filesystem customizations',
      {
        files: {
          '/config.toml':
            '[customizations.disk]\nminsize = "3 GiB"\n[[customizations.filesystem]]\nmountpoint = "/"\nminsize = "2 GiB"\n',
        },
      },
    ],
    [
      'a file system that the stand-in does not make',
      ['--rootfs', 'xfs', image],
      'this stand-in makes ext4 root file systems only',
    ],
  ]

  test.concurrent.each(refusals)('refuses %s', async (_what, args, message, options) => {
    const { exitCode, stdout, stderr, output } = await host.run(args, options)
    expect(stderr).toContain(message)
    expect(stderr.match(/^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d error: /gm)).toHaveLength(1)
    expect(exitCode).toBe(1)
    expect(stdout).toBe('')
    expect((await files(output)).filter((path) => path.includes('disk.'))).toEqual([])
  })

  test('takes --rootfs where the image leaves the file system open', async () => {
    expect((await host.run(['--rootfs', 'ext4', 'localhost/no-rootfs:one'])).exitCode).toBe(0)
  })
})

describe('how it fails when the image asks for it', () => {
  const run = (fault: string, options?: RunOptions) =>
    host.run(['--type', 'qcow2', '--type', 'raw', '--chown', '1000', `localhost/fault:${fault}`], options)
  const osbuildFailed = / error: cannot run osbuild: error running osbuild: exit status 1\n$/

  test('runs out of space: no result, the manifest stays, nothing is given away', async () => {
    const { exitCode, stderr, output } = await run('enospc')
    expect(exitCode).toBe(1)
    expect(stderr).toContain("cp: error writing './qcow2/disk.qcow2': No space left on device\n")
    expect(stderr).toMatch(osbuildFailed)
    expect(await files(output)).toEqual(['manifest-qcow2-raw.json'])
    expect(await stat(join(output, 'manifest-qcow2-raw.json'))).toMatchObject({ uid: 0 })
  })

  test('cannot have a loop device once, and then can', async () => {
    const first = await run('loop-flake-once')
    expect(first.exitCode).toBe(1)
    expect(first.stdout).toContain('failed to set up loop device: Device or resource busy')
    expect(first.stderr).toMatch(osbuildFailed)
    expect((await run('loop-flake-once')).exitCode).toBe(0)
  })

  test('hangs until it is stopped', async () => {
    const stop = new AbortController()
    const hanging = run('hang', { signal: stop.signal })
    const raced = await Promise.race([
      hanging,
      new Promise((resolve) => setTimeout(resolve, 2000, 'still running')),
    ])
    expect(raced).toBe('still running')
    stop.abort()
    await hanging
  })

  test('leaves half a result', async () => {
    const { exitCode, output } = await run('partial')
    expect(exitCode).toBe(1)
    expect(await files(output)).toEqual(['manifest-qcow2-raw.json', 'qcow2/disk.qcow2'])
    await expect(execa('qemu-img', ['check', join(output, 'qcow2/disk.qcow2')])).rejects.toThrow()
  })

  test('says that all is well and has made one thing less, or left one more', async () => {
    const less = await run('missing-output')
    expect(less.exitCode).toBe(0)
    expect(await files(less.output)).toEqual(['manifest-qcow2-raw.json', 'qcow2/disk.qcow2'])
    const more = await run('stale-output')
    expect(more.exitCode).toBe(0)
    expect(await files(more.output)).toContain('vmdk/disk.vmdk')
  })

  test('finds no PReP partition, and shows the log of the stage when it was not shown before', async () => {
    const message = 'Failed to find PReP partition with GUID 9E1A2D38-C612-4316-AA26-8B49521E5A8B'
    expect((await run('prep-missing')).stdout).toContain(message)
    const { stderr } = await host.run(['--progress', 'debug', 'localhost/fault:prep-missing'])
    expect(stderr.indexOf(message)).toBeGreaterThan(stderr.indexOf('BuildLog:'))
    expect(stderr).toMatch(osbuildFailed)
  })
})

/** Relative paths of all files, hidden ones included. */
async function files(directory: string): Promise<string[]> {
  if (!existsSync(directory)) return []
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .toSorted()
}
