import { quoteCommand } from '#src/builder/quote.ts'
import { assertLocalTag, pinnedName } from '#src/container/reference.ts'
import { FactoryError } from '#src/errors.ts'
import { inToolOrder } from './matrix.ts'
import type { DiskRequest } from './types.ts'

const storage = '/var/lib/containers/storage'

/**
 * One run of bootc-image-builder for all formats, into a directory that is emptied first. No `-t`: with a terminal it
 * draws instead of logging. The network is the host's, because the tool needs none and a builder need not have another.
 */
export function diskScript(request: DiskRequest): string {
  assertLocalTag(request.tag)
  assertOutputDirectory(request.outputDirectory)
  const output = request.outputDirectory
  const run = ['podman', 'run', '--rm', '--pull=never', '--privileged', '--network=host']
  run.push('--security-opt', 'label=type:unconfined_t')
  run.push('--volume', `${output}:/output`, '--volume', `${storage}:${storage}`)
  const types = inToolOrder(request.formats).flatMap((format) => ['--type', format])
  const tool = [pinnedName(request.tool), ...types, '--rootfs', request.rootfs, request.tag]
  const make = quoteCommand(['mkdir', '-p', output])
  const empty = quoteCommand(['find', output, '-mindepth', '1', '-delete'])
  const { config } = request
  const work = config === undefined ? quoteCommand([...run, ...tool]) : withConfig(config, run, tool)
  return `${make}\n${empty}\n${work}\n`
}

function withConfig(config: string, run: readonly string[], tool: readonly string[]): string {
  return `(
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
${quoteCommand(['printf', '%s', config])} >"$work/config.toml"
${quoteCommand(run)} --volume "$work/config.toml:/config.toml:ro" ${quoteCommand(tool)}
)`
}

/** Everything below the directory is deleted, and `--volume` splits at colons: only a plain absolute path will do. */
function assertOutputDirectory(path: string): void {
  if (/^(?:\/[A-Za-z0-9_][A-Za-z0-9._-]*){2,}$/.test(path)) return
  throw new FactoryError({
    code: 'bad-output-directory',
    message: `${JSON.stringify(path)} is no usable output directory for the disk builder`,
    class: 'bug',
  })
}
