import type { DiskFormat } from '#arch/index.ts'
import type { Builder } from '#src/builder/types.ts'
import { FactoryError } from '#src/errors.ts'
import { headerBytes, readHeader } from './header.ts'
import { inToolOrder, manifestName, outputPaths } from './matrix.ts'
import type { ArtifactOnBuilder, DiskRequest } from './types.ts'

interface Entry {
  /** find's letter: f, d, l … */
  type: string
  sizeBytes: number
  path: string
}

/**
 * What the disk builder has made, by the fixed names that were expected: a missing file, a file of another kind and a
 * file that nobody asked for are each a failure that names it.
 */
export async function readOutput(builder: Builder, request: DiskRequest): Promise<ArtifactOnBuilder[]> {
  const formats = inToolOrder(request.formats)
  const entries = await listOutput(builder, request.outputDirectory)
  assertNothingElse(request, entries, formats)
  const artifacts: ArtifactOnBuilder[] = []
  for (const format of formats) artifacts.push(await readArtifact(builder, request, format, entries))
  return artifacts
}

async function listOutput(builder: Builder, directory: string): Promise<Entry[]> {
  const found = await builder.exec([
    'find',
    directory,
    '-mindepth',
    '1',
    '-maxdepth',
    '3',
    '-printf',
    '%y %s %P\\n',
  ])
  return found.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [, type, size, path] = /^(\S) (\d+) (.+)$/.exec(line) ?? []
      return { type: type ?? '?', sizeBytes: Number(size ?? 0), path: path ?? line }
    })
}

function assertNothingElse(
  request: DiskRequest,
  entries: readonly Entry[],
  formats: readonly DiskFormat[],
): void {
  const files = formats.map((format) => outputPaths[format])
  const directories = files.map((file) => file.split('/')[0])
  const surprises = entries.filter(
    ({ type, path }) =>
      !(type === 'f' && (files.includes(path) || path === manifestName(formats))) &&
      !(type === 'd' && directories.includes(path)),
  )
  const surprise = surprises.find(({ type }) => type !== 'd') ?? surprises[0]
  if (surprise) {
    const what = `left ${JSON.stringify(surprise.path)}, which nobody asked for`
    throw outputFailure(request, 'disk-output-unexpected', what)
  }
}

async function readArtifact(
  builder: Builder,
  request: DiskRequest,
  format: DiskFormat,
  entries: readonly Entry[],
): Promise<ArtifactOnBuilder> {
  const file = outputPaths[format]
  const entry = entries.find(({ path }) => path === file)
  if (entry === undefined) {
    throw outputFailure(request, 'disk-output-missing', `ended well but left no ${file}`)
  }
  const path = `${request.outputDirectory}/${file}`
  const dump = await builder.exec(['od', '-An', '-v', '-tx1', '-N', String(headerBytes), path])
  const bytes = Buffer.from(dump.stdout.replace(/\s+/g, ''), 'hex')
  const header = readHeader(format, bytes, entry.sizeBytes)
  if (!header.ok) throw outputFailure(request, 'disk-output-damaged', `left a bad ${file}: ${header.reason}`)
  return { format, path, sizeBytes: entry.sizeBytes, virtualBytes: header.virtualBytes }
}

function outputFailure(request: DiskRequest, code: string, what: string): FactoryError {
  return new FactoryError({
    code,
    message: `the disk builder ${request.tool.reference} on ${request.arch} ${what}`,
    hint: `See its output with factory logs ${request.arch}, and try another disk.builder when it stays.`,
    class: 'infra',
  })
}
