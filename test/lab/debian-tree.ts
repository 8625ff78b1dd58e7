import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ExecaError } from 'execa'
import { architectures, type ArchitectureName } from '#arch/index.ts'
import { FactoryError } from '#src/errors.ts'
import { cached, type Report } from './cache.ts'
import { debianMirror } from './mirror.ts'
import { makeTree } from './mmdebstrap.ts'

export interface DebianTreeRequest {
  /** What the tree is for, e.g. `builder-base`; part of its name in the cache. */
  readonly name: string
  readonly arch: ArchitectureName
  /** Debian package names; their dependencies come along, their maintainer scripts never run. */
  readonly packages: readonly string[]
}

const suite = 'trixie'
/**
 * The names under which a mirror has the suite. One that is in the middle of a point release may have a signed index of
 * the new one and, for the less used architectures, packages of the old one under the first name, and be whole under the
 * second.
 */
const names = [suite, 'stable']
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
    const packageOptions = [
      `--include=${packages.join(',')}`,
      ...leftOut.map((folder) => `--dpkgopt=path-exclude=/usr/share/${folder}/*`),
    ]
    const older = olderSuites(packages).map((name) => `deb ${mirror} ${name} main`)
    await fromFirstWhole(request.arch, directory, report, (name) => [
      ...packageOptions,
      name,
      directory,
      `deb ${mirror} ${name} main`,
      ...older,
    ])
  })
}

/** What decides the content of a tree, for the recipes of what is made from it. */
export function debianTreeRecipe({ arch, packages }: DebianTreeRequest) {
  return { suite, leftOut, arch, packages: packages.map(withSuite).toSorted() }
}

async function fromFirstWhole(
  arch: ArchitectureName,
  directory: string,
  report: Report,
  optionsFor: (name: string) => string[],
): Promise<void> {
  for (const [index, name] of names.entries()) {
    try {
      await extract(arch, optionsFor(name))
      return await assertSuite(arch, directory)
    } catch (error) {
      const next = names[index + 1]
      if (next === undefined) throw error
      report(`${arch}: the mirror is being updated and has no whole ${name}; trying it as ${next}`)
      await rm(directory, { recursive: true, force: true })
    }
  }
}

async function extract(arch: ArchitectureName, options: readonly string[]): Promise<void> {
  const architecture = `--architectures=${architectures[arch].debian}`
  try {
    await makeTree(['--mode=root', '--variant=extract', architecture, ...options], extractDeadlineMs)
  } catch (error) {
    const said = error instanceof ExecaError ? lastErrors(String(error.stderr)) : ''
    throw new FactoryError({
      code: 'lab-packages-not-unpacked',
      class: 'infra',
      message: `the Debian packages for ${arch} could not be fetched and unpacked: ${said}`,
      hint: 'Does apt work on this machine (apt-get update), and is there space under ~/.cache (df -h ~/.cache)?',
      cause: error,
    })
  }
}

/** What a name stands for changes every other year; another release would give a lab that nobody has tried. */
async function assertSuite(arch: ArchitectureName, directory: string): Promise<void> {
  const said = await readFile(join(directory, 'usr/lib/os-release'), 'utf8')
  if (said.includes(`VERSION_CODENAME=${suite}\n`)) return
  throw new FactoryError({
    code: 'lab-packages-not-unpacked',
    class: 'infra',
    message: `the mirror has no whole set of Debian ${suite} packages for ${arch}`,
    hint: 'It is probably being updated: try again later, or set apt to another mirror.',
  })
}

/** apt says first what is wrong and last that something was. */
function lastErrors(said: string): string {
  const lines = said.split('\n').map((line) => line.trim())
  return lines
    .filter((line) => /^(E|Err):?/.test(line))
    .slice(0, 4)
    .join('\n')
}

function withSuite(name: string): string {
  const older = fromOlderSuite[name]
  return older === undefined ? name : `${name}/${older}`
}

function olderSuites(packages: readonly string[]): string[] {
  return [...new Set(packages.flatMap((name) => name.split('/').slice(1)))]
}
