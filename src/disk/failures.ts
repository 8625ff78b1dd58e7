import { machineFailure, withWords } from '#src/container/failures.ts'
import { lastWords, type Transcript } from '#src/container/transcript.ts'
import { FactoryError, type FailureClass } from '#src/errors.ts'
import { stageName } from './progress.ts'
import type { DiskRequest } from './types.ts'

interface KnownFailure {
  /** Against single lines of the transcript. */
  pattern: RegExp
  code: string
  class: FailureClass
  what: string
  hint: string
}

/** https://github.com/osbuild/bootc-image-builder/issues/1046 and its kin: the same build passes when it is run again. */
export const loopDeviceCode = 'disk-loop-device'

const loopDeviceErrors = [
  /'Loop' object has no attribute/,
  /'(?:\/dev\/)?loop\d+'/,
  /(?:set ?up|free|unused) loop device/i,
  /\/dev\/loop\d+.*(?:busy|no such|cannot|failed)/i,
  /(?:busy|no such|cannot|failed).*\/dev\/loop\d+/i,
  /duplicate UUID/,
]

const known: KnownFailure[] = [
  {
    pattern: /Failed to find PReP partition/i,
    code: 'disk-prep-partition',
    class: 'user',
    what: 'the boot loader installer of the image does not find the PReP partition',
    hint: 'Put a bootupd that works on ppc64le into the Containerfile (osbuild/bootc-image-builder issue 1223).',
  },
  {
    pattern: new RegExp(loopDeviceErrors.map(({ source }) => source).join('|'), 'i'),
    code: loopDeviceCode,
    class: 'infra',
    what: 'the kernel did not hand out or take back a loop device',
    hint: 'It was tried twice. Look for what else uses loop devices on the builder: losetup --list.',
  },
  {
    pattern: /missing required info: DefaultRootFs/,
    code: 'disk-rootfs-missing',
    class: 'user',
    what: 'the image does not say which root file system it wants',
    hint: 'Set disk.rootfs in the configuration to xfs, ext4 or btrfs.',
  },
  {
    pattern: /image .* is not a bootc image/,
    code: 'image-not-bootc',
    class: 'user',
    what: 'the image is not a bootable container image',
    hint: 'Start the Containerfile from a bootc base image, e.g. quay.io/fedora/fedora-bootc.',
  },
  {
    pattern: /requested bootc arch .* does not match/,
    code: 'container-wrong-architecture',
    class: 'user',
    what: 'the image is for another architecture than the builder',
    hint: 'Pin the multi-arch index in FROM, not the manifest of one architecture.',
  },
  {
    pattern:
      /cannot read config|unknown keys found|cannot combine disk and filesystem|found "config\.json" and also/,
    code: 'disk-config-invalid',
    class: 'user',
    what: 'it does not accept its config.toml',
    hint: 'Correct disk.config; keys: https://osbuild.org/docs/bootc/#-build-config',
  },
  {
    pattern: /unsupported image type|cannot detect build types|cannot mix ISO/,
    code: 'disk-type-unsupported',
    class: 'user',
    what: 'it cannot make the image types that were asked for',
    hint: 'Use another disk.builder, or other formats in publish.',
  },
  {
    pattern: /must be run in rootful|requires a privileged container/,
    code: 'disk-builder-unprivileged',
    class: 'user',
    what: 'it may not do on the builder what it has to',
    hint: 'The login user of the builder must be root, and its podman must allow --privileged.',
  },
  {
    pattern: /could not access container storage/,
    code: 'container-storage-not-found',
    class: 'user',
    what: 'it does not find the container storage of the builder',
    hint: 'The builder must keep containers with the overlay driver in /var/lib/containers/storage.',
  },
  {
    pattern: /failed to inspect the image|no longer pulls images/,
    code: 'disk-image-not-found',
    class: 'infra',
    what: 'it does not find the container image in the storage of the builder',
    hint: 'Run the release again: the container is then built again.',
  },
  {
    pattern: /error: cannot (?:build manifest|generate manifest|validate the setup|handle)/,
    code: 'disk-request-refused',
    class: 'user',
    what: 'it refuses what it was asked for',
    hint: 'Correct the disk section of the configuration, or use another disk.builder.',
  },
]

/** Why bootc-image-builder failed: a known cause with the next step, or its own last error line. */
export function diskFailure(request: DiskRequest, transcript: Transcript): FactoryError {
  const machine = machineFailure(`the disk build on ${request.arch}`, transcript)
  if (machine) return machine
  const context = { exitCode: transcript.exitCode }
  const cause = known.find(({ pattern }) => transcript.lastLines.some((line) => pattern.test(line)))
  if (cause) {
    const message = withWords(
      `the disk build on ${request.arch} failed: ${cause.what}`,
      telling(transcript),
      6,
    )
    return new FactoryError({ code: cause.code, message, hint: cause.hint, class: cause.class, context })
  }
  if (transcript.exitCode >= 125 && transcript.exitCode <= 127) {
    return new FactoryError({
      code: 'disk-builder-not-started',
      message: withWords(
        `podman could not start ${request.tool.reference} on ${request.arch}`,
        transcript,
        8,
      ),
      hint: 'Check that disk.builder exists for this architecture and that podman run works on the builder.',
      class: 'infra',
      context,
    })
  }
  return new FactoryError({
    code: 'disk-build-failed',
    message: withWords(
      `the disk build on ${request.arch} failed${lastError(transcript)}`,
      telling(transcript),
      15,
    ),
    hint: `See the whole output: factory logs ${request.arch}`,
    class: 'infra',
    context,
  })
}

/** Where it broke, then its last error line; that osbuild failed is only said when there is nothing better to say. */
function lastError(transcript: Transcript): string {
  const stage = transcript.lastLines.findLast((line) => stageName(line) !== undefined)
  const place = stage === undefined ? '' : ` in ${stageName(stage)}`
  const said = lastWords(transcript.lastLines, transcript.lastLines.length)
    .filter(
      (line) =>
        /\berror\b|\bfailed\b|cannot /i.test(line) && !/error running osbuild|^manifest - failed/.test(line),
    )
    .map((line) => line.replace(/^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d (?:error: )?/, ''))
  return `${place}: ${said.at(-1) ?? `exit code ${transcript.exitCode}`}`
}

const onlyCounting =
  /^(?:⏱|Build$|  root: |Generating manifest|Manifest generation|Done generating|Disk image building|Building manifest|starting -Pipeline|Pipeline |[\w-]+:\s+[0-9a-f]{64}$)/

/** The transcript without the lines in which the tool only counts and names. */
function telling(transcript: Transcript): Transcript {
  const lastLines = transcript.lastLines
    .filter((line) => !onlyCounting.test(line))
    .map((line) => stageName(line) ?? line)
  return { ...transcript, lastLines }
}
