import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { architectures, type ArchitectureName } from '#arch/index.ts'
import { baseLayers } from './oci-base.ts'
import { standinLayer } from './oci-bib-standin.ts'
import { type ImageSettings, writeLayout } from './oci-image.ts'
import { type Layer, writeLayer } from './oci-layer.ts'
import type { Report } from './cache.ts'

/** Everything that decides how one run of the stand-in goes, apart from its arguments. */
export interface RunOptions {
  /** Files that the run finds in its own file system: absolute path there → content. */
  files?: Record<string, string>
  /** What `podman run` would have given: the default is a rootful, privileged container with the storage mounted. */
  container?: 'privileged' | 'unprivileged' | 'rootless' | 'without-storage'
  stdin?: string
  /** Where the results go; the default is a fresh directory. */
  output?: string
  signal?: AbortSignal
}

export interface Run {
  exitCode: number | undefined
  stdout: string
  stderr: string
  /** The directory that was mounted as /output. */
  output: string
}

export interface StandinHost extends AsyncDisposable {
  readonly directory: string
  /** Puts an image into the container storage under a name, in the way and with the library that podman uses. */
  addImage(name: string, image: TestImage): Promise<void>
  run(args: readonly string[], options?: RunOptions): Promise<Run>
}

export interface TestImage {
  arch?: ArchitectureName
  labels?: ImageSettings['labels']
  layers: readonly Layer[]
}

const deadlineMs = 60_000

/**
 * Runs the stand-in for bootc-image-builder on the machine itself, without a container engine: a chroot into the files of
 * its image, in mount (and user) namespaces of its own. Needs root; works for the machine's own architecture.
 */
export async function standinHost(arch: ArchitectureName, report: Report): Promise<StandinHost> {
  const { system } = await baseLayers(arch, report)
  const layers = [system, await standinLayer(arch, report)]
  const directory = await mkdtemp(join(tmpdir(), 'bib-standin-'))
  const tree = join(directory, 'tree')
  const storage = join(directory, 'storage')
  await mkdir(tree)
  await mkdir(storage)
  for (const layer of layers) {
    await execa('tar', ['-x', '--zstd', '-f', layer.path, '-C', tree], { timeout: deadlineMs })
  }
  let runs = 0

  return {
    directory,
    async addImage(name, image) {
      const layout = await mkdtemp(join(directory, 'layout-'))
      await writeLayout(layout, 'test', [{ arch: image.arch ?? arch, layers: image.layers }], {
        labels: image.labels ?? { 'containers.bootc': '1' },
      })
      const store = `containers-storage:[overlay@${storage}+${join(directory, 'run')}]${name}`
      const copy = [
        '--insecure-policy',
        '--override-arch',
        architectures[image.arch ?? arch].oci,
        'copy',
        '--quiet',
      ]
      // The library leaves a mount behind, which must not outlive it.
      await execa('unshare', ['--mount', 'skopeo', ...copy, `oci:${layout}`, store], { timeout: deadlineMs })
    },
    async run(args, options = {}) {
      runs += 1
      const here = join(directory, `run-${runs}`)
      const output = options.output ?? join(here, 'output')
      const files = join(here, 'files')
      for (const path of [output, files, join(here, 'space')]) await mkdir(path, { recursive: true })
      for (const [path, content] of Object.entries(options.files ?? {})) {
        await mkdir(dirname(join(files, path)), { recursive: true })
        await writeFile(join(files, path), content)
      }
      const container = options.container ?? 'privileged'
      const places = [tree, files, join(here, 'space'), storage, output]
      const result = await execa(
        'unshare',
        [
          '--mount',
          '--propagation',
          'private',
          '--pid',
          '--fork',
          '--kill-child',
          'sh',
          '-c',
          enter,
          'enter',
          container,
          ...places,
          ...args,
        ],
        {
          reject: false,
          timeout: deadlineMs,
          // As in a container: nothing of our environment gets in.
          extendEnv: false,
          env: { PATH: process.env['PATH'] },
          input: options.stdin ?? '',
          stripFinalNewline: false,
          killSignal: 'SIGKILL',
          ...(options.signal && { cancelSignal: options.signal }),
        },
      )
      return { exitCode: result.exitCode, stdout: result.stdout, stderr: result.stderr, output }
    },
    async [Symbol.asyncDispose]() {
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** A layer with the given files: absolute path → content. */
export async function layerOf(directory: string, files: Record<string, string>): Promise<Layer> {
  const tree = await mkdtemp(join(directory, 'layer-'))
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(tree, path)), { recursive: true })
    await writeFile(join(tree, path), content)
  }
  return writeLayer(tree, `${tree}.packed`)
}

const enter = `set -e
container=$1 tree=$2 files=$3 space=$4 storage=$5 output=$6
shift 6
mount -t tmpfs tmpfs "$space"
mkdir "$space/upper" "$space/work" "$space/root"
mount -t overlay overlay -o "lowerdir=$files:$tree,upperdir=$space/upper,workdir=$space/work" "$space/root"
root=$space/root
mkdir -p "$root/var/lib/containers/storage" "$root/output"
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
[ "$container" != unprivileged ] || mount -o remount,bind,ro "$root/sys"
[ "$container" = without-storage ] || mount --bind "$storage" "$root/var/lib/containers/storage"
mount --bind "$output" "$root/output"
set -- chroot "$root" sh -c 'cd /output && exec bootc-image-builder "$@"' sh "$@"
[ "$container" != rootless ] || set -- unshare --user --map-root-user "$@"
exec "$@"
`
