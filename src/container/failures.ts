import type { ArchitectureName } from '#arch/index.ts'
import { FactoryError, type FailureClass } from '#src/errors.ts'
import { cut, lastWords, type Transcript } from './transcript.ts'
import type { PinnedReference } from './types.ts'

interface Cause {
  pattern: RegExp
  code: string
  class: FailureClass
  hint: string
}

const noSpace = /no space left on device|disk quota exceeded/i
const noAccess = /unauthorized|authentication required|requested access .*denied|403 \(?forbidden/i
const notThere = /manifest unknown|name unknown|repository .*not found|404 \(?not found|: not found/i

const pullCauses: Cause[] = [
  {
    pattern: noAccess,
    code: 'base-image-unauthorized',
    class: 'user',
    hint: 'Check that the repository exists and that the builder may read it: podman login, then try podman pull.',
  },
  {
    pattern: notThere,
    code: 'base-image-not-found',
    class: 'user',
    hint: 'The digest may be gone from the registry: run factory plan to resolve the references again.',
  },
]

const pushCauses: Cause[] = [
  {
    pattern: noAccess,
    code: 'push-unauthorized',
    class: 'permission',
    hint: 'Check that the credentials for image.push may write to the repository.',
  },
]

const containerfileError = /building at STEP|parse error|unknown instruction|no FROM statement|syntax error/i
const unpinnedImage = /^Error: .*: image not known$/
const runtimeError =
  /^error running container: .*(?:setrlimit|cgroup|mount|netns|pivot_root|clone|Operation not permitted)/
const stepError = /^Error: building at STEP ".*?": /

/** Why pinned images could not be pulled: gone or forbidden is the user's, everything else may pass. */
export function pullFailure(
  arch: ArchitectureName,
  images: readonly PinnedReference[],
  transcript: Transcript,
): FactoryError {
  const names = images.map((image) => image.reference).join(', ')
  return registryFailure(
    `pulling ${names} on the ${arch} builder`,
    pullCauses,
    'base-image-pull-failed',
    transcript,
  )
}

/** Why one architecture's image could not be pushed. */
export function pushFailure(arch: ArchitectureName, target: string, transcript: Transcript): FactoryError {
  return registryFailure(`pushing ${target} from the ${arch} builder`, pushCauses, 'push-failed', transcript)
}

/** Why a container build failed: the Containerfile is the user's; a full disk, a kill and podman itself are not. */
export function buildFailure(arch: ArchitectureName, transcript: Transcript): FactoryError {
  const machine = machineFailure(`the container build on ${arch}`, transcript)
  if (machine) return machine
  const said = transcript.lastLines.slice(-60)
  if (said.some((line) => unpinnedImage.test(line))) {
    return new FactoryError({
      code: 'base-image-not-pinned',
      message: withWords(
        `the Containerfile names an image that the plan did not pin (${arch})`,
        transcript,
        3,
      ),
      hint: 'Write every image in FROM and COPY --from as registry/repository:tag, so that factory plan finds it.',
      class: 'user',
    })
  }
  if (said.some((line) => runtimeError.test(line)) || !said.some((line) => containerfileError.test(line))) {
    return podmanFailure(`podman build failed on the ${arch} builder`, arch, transcript)
  }
  return new FactoryError({
    code: 'containerfile-failed',
    message: withWords(`the Containerfile fails on ${arch}${failingStep(transcript.lastLines)}`, {
      ...transcript,
      lastLines: transcript.lastLines.filter((line) => !stepError.test(line)),
    }),
    hint: `Correct the Containerfile and run factory release again; the whole output: factory logs ${arch}`,
    class: 'user',
    context: { arch, exitCode: transcript.exitCode },
  })
}

/** Why the layer with labels and identity could not be added: it is ours, so it is never the Containerfile's fault. */
export function identityFailure(arch: ArchitectureName, transcript: Transcript): FactoryError {
  const what = `adding labels and identity to the image on ${arch}`
  return machineFailure(what, transcript) ?? podmanFailure(`${what} failed`, arch, transcript)
}

/** What any job on a builder can die of, whatever it did: a full disk and the kernel's out-of-memory killer. */
export function machineFailure(what: string, transcript: Transcript): FactoryError | undefined {
  if (transcript.lastLines.some((line) => noSpace.test(line))) {
    return new FactoryError({
      code: 'builder-disk-full',
      message: withWords(`${what} ran out of disk space`, transcript, 3),
      hint: 'Give the builder a larger data disk, or make the image smaller.',
      class: 'disk-full',
    })
  }
  if (
    transcript.exitCode !== 137 &&
    !transcript.lastLines.slice(-20).some((line) => /signal: killed/.test(line))
  ) {
    return undefined
  }
  const killed = `${what} was killed (exit code ${transcript.exitCode}), most likely for want of memory`
  return new FactoryError({
    code: 'builder-out-of-memory',
    message: withWords(killed, transcript, 3),
    hint: 'Give the builder more memory, or swap.',
    class: 'infra',
  })
}

/** A message whose first line says what happened and whose further lines are the tool's last ones. */
export function withWords(summary: string, transcript: Transcript, count = 20): string {
  const words = lastWords(transcript.lastLines, count)
  return words.length === 0 ? summary : `${summary}:\n${words.map((line) => `  ${line}`).join('\n')}`
}

function registryFailure(
  what: string,
  causes: Cause[],
  otherwise: string,
  transcript: Transcript,
): FactoryError {
  const machine = machineFailure(what, transcript)
  if (machine) return machine
  const cause = causes.find(({ pattern }) => transcript.lastLines.some((line) => pattern.test(line)))
  return new FactoryError({
    code: cause?.code ?? otherwise,
    message: withWords(`${what} failed (exit code ${transcript.exitCode})`, transcript, 5),
    hint: cause?.hint ?? 'Check that the registry answers and that the builder reaches it.',
    class: cause?.class ?? 'infra',
  })
}

function podmanFailure(what: string, arch: ArchitectureName, transcript: Transcript): FactoryError {
  return new FactoryError({
    code: 'container-build-failed',
    message: withWords(`${what} (exit code ${transcript.exitCode})`, transcript),
    hint: `See the whole output: factory logs ${arch}`,
    class: 'infra',
    context: { arch, exitCode: transcript.exitCode },
  })
}

/** ` at STEP 3/7: RUN …: exit status 1`, as far as podman said it. */
function failingStep(lines: readonly string[]): string {
  const step = lines.findLast((line) => /^(?:\[\d+\/\d+\] )?STEP \d+\/\d+: /.test(line))
  const why = lines
    .findLast((line) => stepError.test(line))
    ?.replace(stepError, '')
    .replace(/ &imagebuilder\.Step\{.*/, '')
  return `${step === undefined ? '' : ` at ${cut(step, 160)}`}${why === undefined ? '' : `: ${cut(why, 240)}`}`
}
