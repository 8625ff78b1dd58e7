import { ExecaError, execa } from 'execa'
import { architectures, type ArchitectureName } from '#arch/index.ts'
import { FactoryError } from '#src/errors.ts'
import { cached, type Report } from './cache.ts'
import { debianMirror } from './mirror.ts'

export interface DebianTreeRequest {
  /** What the tree is for, e.g. `builder-base`; part of its name in the cache. */
  readonly name: string
  readonly arch: ArchitectureName
  /** Debian package names; their dependencies come along, their maintainer scripts never run. */
  readonly packages: readonly string[]
}

const suite = 'trixie'
// Newer s390x kernels sum packets with vector instructions that QEMU 7.2 gets wrong: no TCP in an emulated guest.
const fromOlderSuite: Readonly<Record<string, string>> = { 'linux-image-s390x': 'bookworm' }
const leftOut = ['doc', 'doc-base', 'info', 'locale', 'man', 'lintian', 'bug']
const extractDeadlineMs = 10 * 60_000

/**
 * The path of a directory with the unpacked files of Debian packages for an architecture, foreign ones included.
 * It is shared and read-only by agreement: copy it (`cp -a`) before changing anything. `base-files` and `dash` have to be
 * among the packages of anything that shall boot, else the tree has no `/bin` and no `sh`.
 */
export async function debianTree(request: DebianTreeRequest, report: Report): Promise<string> {
  const recipe = debianTreeRecipe(request)
  const { packages } = recipe
  return cached(`${request.name}-${request.arch}`, recipe, async (directory) => {
    const mirror = await debianMirror()
    report(`${request.arch}: unpacking ${request.packages.length} Debian packages and their dependencies`)
    await extract(request.arch, [
      '--mode=root',
      '--variant=extract',
      `--architectures=${architectures[request.arch].debian}`,
      `--include=${packages.join(',')}`,
      ...leftOut.map((folder) => `--dpkgopt=path-exclude=/usr/share/${folder}/*`),
      suite,
      directory,
      ...suitesOf(packages).map((name) => `deb ${mirror} ${name} main`),
    ])
  })
}

/** What decides the content of a tree, for the recipes of what is made from it. */
export function debianTreeRecipe({ arch, packages }: DebianTreeRequest) {
  return { suite, leftOut, arch, packages: packages.map(withSuite).toSorted() }
}

async function extract(arch: ArchitectureName, options: readonly string[]): Promise<void> {
  try {
    await execa('mmdebstrap', ['--quiet', ...options], { timeout: extractDeadlineMs, stdin: 'ignore' })
  } catch (error) {
    const said =
      error instanceof ExecaError ? String(error.stderr).trim().split('\n').slice(-3).join('\n') : ''
    throw new FactoryError({
      code: 'lab-packages-not-unpacked',
      class: 'infra',
      message: `the Debian packages for ${arch} could not be fetched and unpacked: ${said}`,
      hint: 'Does apt work on this machine (apt-get update), and is there space under ~/.cache (df -h ~/.cache)?',
      cause: error,
    })
  }
}

function withSuite(name: string): string {
  const older = fromOlderSuite[name]
  return older === undefined ? name : `${name}/${older}`
}

function suitesOf(packages: readonly string[]): string[] {
  const older = packages.flatMap((name) => name.split('/').slice(1))
  return [...new Set([suite, ...older])]
}
