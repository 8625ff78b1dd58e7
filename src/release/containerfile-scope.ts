import { From } from 'dockerfile-ast'
import type { Arg, Instruction } from 'dockerfile-ast'
import { architectures } from '#arch/index.ts'
import type { ArchitectureName } from '#arch/index.ts'
import type { Place, Problem } from '#src/config/problems.ts'
import { referenceProblem } from '#src/registry/reference.ts'
import { expandVariables } from './expand-variables.ts'

/** An image that a Containerfile needs from a registry. */
export interface NeededImage {
  /** With its variables filled in, otherwise as it is written. */
  reference: string
  /** Where it stands first. */
  place: Place
}

export interface ContainerfileOptions {
  /** The name that messages show. */
  file: string
  buildArgs: Readonly<Record<string, string>>
  /** Every architecture that is built: all of them must need the same images. */
  architectures: readonly ArchitectureName[]
}

/** What is known while a Containerfile is read from top to bottom for one architecture. */
export interface Scope {
  readonly options: ContainerfileOptions
  /** `linux/amd64` */
  readonly platform: string
  /** Arguments that exist without being given a value. */
  readonly predefined: ReadonlyMap<string, string>
  /** Arguments that stand before the first FROM: FROM lines see only these. */
  readonly global: Map<string, string>
  /** Arguments of the current stage. */
  local: Map<string, string>
  readonly declaredInStages: Set<string>
  /** Names of the stages so far, lower-case, the current one last. */
  readonly stages: string[]
  /** One for each place that may name an image; the reference is empty where it is a stage. */
  readonly images: NeededImage[]
  readonly problems: Problem[]
}

/** A build is native, so the platform that is built on and the one that is built for are the same. */
export function openScope(arch: ArchitectureName, options: ContainerfileOptions): Scope {
  const { oci } = architectures[arch]
  const predefined = new Map(
    ['TARGET', 'BUILD'].flatMap((side): [string, string][] => [
      [`${side}PLATFORM`, `linux/${oci}`],
      [`${side}OS`, 'linux'],
      [`${side}ARCH`, oci],
      [`${side}VARIANT`, ''],
    ]),
  )
  return {
    options,
    platform: `linux/${oci}`,
    predefined,
    global: new Map(predefined),
    local: new Map(),
    declaredInStages: new Set(),
    stages: [],
    images: [],
    problems: [],
  }
}

/** A build argument wins over the default; inside a stage a bare `ARG V` takes the value from before the first FROM. */
export function readArgument(instruction: Arg, scope: Scope): void {
  const beforeFrom = scope.stages.length === 0
  const values = beforeFrom ? scope.global : scope.local
  for (const property of instruction.getProperties()) {
    const name = property.getName()
    if (!beforeFrom) scope.declaredInStages.add(name)
    const written = property.getValue()
    const inherited = beforeFrom ? scope.predefined.get(name) : scope.global.get(name)
    const value = written === null ? inherited : expandVariables(unquoted(written), values).text
    const chosen = scope.options.buildArgs[name] ?? value
    if (chosen !== undefined) values.set(name, chosen)
  }
}

/** Notes that the instruction names an image or a stage; `reference` is undefined when it could not be filled in. */
export function need(
  scope: Scope,
  instruction: Instruction,
  reference: string | undefined,
  isStage: boolean,
): void {
  const place = placeOf(scope, instruction)
  scope.images.push({ reference: isStage ? '' : (reference ?? ''), place })
  const problem = isStage || reference === undefined ? undefined : referenceProblem(reference)
  if (problem !== undefined) scope.problems.push({ code: 'reference-invalid', place, message: problem })
}

/** Fills variables in; reports those without a value and returns undefined then. */
export function expand(
  scope: Scope,
  instruction: Instruction,
  written: string,
  values: ReadonlyMap<string, string>,
): string | undefined {
  const { text, missing } = expandVariables(unquoted(written), values)
  for (const name of missing) {
    const message = `${instruction.getKeyword()} uses ${written}, but ${name} has no value`
    report(scope, instruction, message, unsetHint(name, instruction, scope))
  }
  return missing.length === 0 ? text : undefined
}

/** Notes a problem of the instruction, at its place. */
export function report(scope: Scope, instruction: Instruction, message: string, hint?: string): void {
  const problem = { code: 'containerfile-invalid', place: placeOf(scope, instruction), message }
  scope.problems.push(hint === undefined ? problem : { ...problem, hint })
}

function unsetHint(name: string, instruction: Instruction, scope: Scope): string {
  if (!(instruction instanceof From)) {
    return `Write "ARG ${name}" after the FROM of this stage, and give it a value there or in image.buildArgs.`
  }
  if (scope.options.buildArgs[name] !== undefined || scope.declaredInStages.has(name)) {
    return `Write "ARG ${name}" before the first FROM: FROM lines see no other arguments.`
  }
  return `Write "ARG ${name}=value" before the first FROM, or "ARG ${name}" there and the value in image.buildArgs.`
}

function placeOf(scope: Scope, instruction: Instruction): Place {
  const { line, character } = instruction.getRange().start
  return { file: scope.options.file, line: line + 1, column: character + 1 }
}

function unquoted(text: string): string {
  return /^(["']).*\1$/s.test(text) ? text.slice(1, -1) : text
}
