import { mkdir, rm } from 'node:fs/promises'
import { execa } from 'execa'
import type { ArchitectureName } from '#arch/index.ts'
import { baseDiskPackages } from './base-disk-packages.ts'
import { cached, type Report } from './cache.ts'
import { debianTree } from './debian-tree.ts'

/** Where the modules are that Python itself brings; those of packages are beside it. */
export const standardLibrary = 'usr/lib/python3.13'
const libraries = ['/usr/lib/python3', `/${standardLibrary}`]
const compileDeadlineMs = 5 * 60_000

/**
 * A tree with nothing but the compiled Python files of a builder's base, made by the machine's own architecture for all:
 * bytecode is the same everywhere, and compiling on demand would cost an emulated boot ten seconds and more.
 */
export async function pythonBytecode(report: Report): Promise<string> {
  const native: ArchitectureName = process.arch === 'arm64' ? 'aarch64' : 'x86_64'
  const packages = [...new Set([...baseDiskPackages(native), 'cloud-init'])]
  const tree = await debianTree({ name: 'builder-base', arch: native, packages }, report)
  return cached('python-bytecode', { libraries, packages }, async (directory) => {
    report('compiling Python files for all architectures')
    const whole = `${directory}.tree`
    await execa('cp', ['-a', tree, whole], { timeout: compileDeadlineMs })
    // Some files of the standard library are meant not to compile, which makes the exit code worthless.
    const compile = ['-m', 'compileall', '-q', '--invalidation-mode', 'unchecked-hash', ...libraries]
    await execa('chroot', [whole, 'python3', ...compile], { timeout: compileDeadlineMs, reject: false })
    const compiled = await execa('find', ['usr', '-name', '*.pyc'], {
      cwd: whole,
      timeout: compileDeadlineMs,
    })
    await mkdir(directory)
    await execa('cpio', ['-pd', '--quiet', directory], {
      cwd: whole,
      input: compiled.stdout,
      timeout: compileDeadlineMs,
    })
    await rm(whole, { recursive: true, force: true })
  })
}
