import { Arg, Copy, DockerfileParser, From, Run } from 'dockerfile-ast'
import type { Dockerfile } from 'dockerfile-ast'
import type { ArchitectureName } from '#arch/index.ts'
import { problemsError } from '#src/config/problems.ts'
import type { Problem } from '#src/config/problems.ts'
import { expand, need, openScope, readArgument, report } from './containerfile-scope.ts'
import type { ContainerfileOptions, NeededImage, Scope } from './containerfile-scope.ts'

export type { ContainerfileOptions, NeededImage } from './containerfile-scope.ts'

/**
 * Every image that the Containerfile takes from a registry: `FROM`, `COPY --from` and `RUN --mount=from=`, without stages
 * and `scratch`, each once. Throws one error that names everything wrong with its line and column.
 */
export function neededImages(text: string, options: ContainerfileOptions): NeededImage[] {
  const dockerfile = DockerfileParser.parse(text)
  const readings = options.architectures.map((arch) => readFor(arch, dockerfile, options))
  const problems = [...readings.flatMap((scope) => scope.problems), ...differences(readings)]
  if (dockerfile.getFROMs().length === 0) {
    const place = { file: options.file, line: 1, column: 1 }
    problems.push({ code: 'containerfile-invalid', place, message: 'there is no FROM in it' })
  }
  if (problems.length > 0) throw problemsError(withoutRepeats(problems), fallback)
  const images = readings[0]?.images.filter(({ reference }) => reference !== '') ?? []
  return images.filter(
    ({ reference }, index) => images.findIndex((one) => one.reference === reference) === index,
  )
}

const fallback = {
  code: 'containerfile-invalid',
  hint: 'Mend these lines of the Containerfile; "factory plan" looks at them without building anything.',
}

function readFor(arch: ArchitectureName, dockerfile: Dockerfile, options: ContainerfileOptions): Scope {
  const scope = openScope(arch, options)
  for (const instruction of dockerfile.getInstructions()) {
    if (instruction instanceof Arg) readArgument(instruction, scope)
    else if (instruction instanceof From) readFrom(instruction, scope)
    else if (instruction instanceof Copy) readCopy(instruction, scope)
    else if (instruction instanceof Run) readRun(instruction, scope)
  }
  return scope
}

function readFrom(instruction: From, scope: Scope): void {
  scope.local = new Map()
  const written = instruction.getImage()
  if (written === null) {
    report(scope, instruction, 'FROM names no image')
  } else {
    const reference = expand(scope, instruction, written, scope.global)
    const isStage = reference === 'scratch' || scope.stages.includes(reference?.toLowerCase() ?? '')
    need(scope, instruction, reference, isStage)
    checkPlatform(instruction, scope)
  }
  scope.stages.push(instruction.getBuildStage()?.toLowerCase() ?? `stage ${scope.stages.length}`)
}

/** Builds are native: any platform but the builder's own would need an emulator. */
function checkPlatform(instruction: From, scope: Scope): void {
  const written = instruction.getPlatformFlag()?.getValue() ?? undefined
  if (written === undefined) return
  const platform = expand(scope, instruction, written, scope.global)
  if (platform === undefined || platform === scope.platform || platform.startsWith(`${scope.platform}/`))
    return
  const message = `FROM --platform=${written} asks for ${platform}, but ${scope.platform} is built too, and natively`
  report(scope, instruction, message, 'Leave --platform out, or write --platform=$TARGETPLATFORM.')
}

function readCopy(instruction: Copy, scope: Scope): void {
  const written = instruction.getFromFlag()?.getValue() ?? undefined
  if (written !== undefined) needImageOrStage(scope, instruction, written)
}

function readRun(instruction: Run, scope: Scope): void {
  for (const flag of instruction.getFlags()) {
    if (flag.getName().toLowerCase() !== 'mount') continue
    const from = flag.getOptions().find((option) => option.getName().toLowerCase() === 'from')
    const written = from?.getValue() ?? undefined
    if (written !== undefined) needImageOrStage(scope, instruction, written)
  }
}

function needImageOrStage(scope: Scope, instruction: Copy | Run, written: string): void {
  const reference = expand(scope, instruction, written, scope.local)
  const earlier = scope.stages.slice(0, -1)
  const isNumber = reference !== undefined && /^\d+$/.test(reference)
  if (isNumber && Number(reference) >= earlier.length) {
    report(scope, instruction, `there is no stage ${reference} before this one`)
  }
  need(scope, instruction, reference, isNumber || earlier.includes(reference?.toLowerCase() ?? ''))
}

/** All architectures build from the same indexes, so no reference may depend on the architecture. */
function differences([first, ...others]: readonly Scope[]): Problem[] {
  return (first?.images ?? []).flatMap(({ reference, place }, index) => {
    const all = [reference, ...others.map((scope) => scope.images[index]?.reference ?? '')]
    if (all.every((other) => other === reference)) return []
    const shown = [...new Set(all)].map((other) => (other === '' ? 'a stage' : other)).join(', ')
    return [
      {
        code: 'containerfile-invalid',
        place,
        message: `the architectures would build from different images here: ${shown}`,
        hint: 'Name one multi-architecture image: the architecture is chosen from its index.',
      },
    ]
  })
}

function withoutRepeats(problems: readonly Problem[]): Problem[] {
  const byText = new Map(problems.map((problem) => [`${problem.place.line} ${problem.message}`, problem]))
  return [...byText.values()]
}
