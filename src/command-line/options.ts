import { InvalidArgumentError, Option } from 'commander'
import { type ArchitectureName, architectureNames, architectures } from '#arch/index.ts'

export interface ReleaseOptions {
  arch?: ArchitectureName[]
  to?: string[]
  force?: boolean
}

export function architectureOption(): Option {
  return new Option('--arch <arch>', 'only this architecture; may be given several times').argParser(
    (value: string, previous: ArchitectureName[] | undefined) => [
      ...(previous ?? []),
      readArchitecture(value),
    ],
  )
}

/** Not variadic: that would swallow every word after it. */
export function destinationOption(): Option {
  return new Option('--to <cloud>', 'only this destination; may be given several times').argParser(
    (value: string, previous: string[] | undefined) => [...(previous ?? []), value],
  )
}

export function readCount(value: string): number {
  if (/^[1-9]\d{0,5}$/.test(value)) return Number(value)
  throw new InvalidArgumentError('Write a whole number from 1 on.')
}

export function readArchitecture(value: string): ArchitectureName {
  const known = architectureNames.find((name) => name === value)
  if (known) return known
  const meant = architectureNames.find(
    (name) => architectures[name].oci === value || architectures[name].debian === value,
  )
  const suggestion = meant === undefined ? '' : ` Did you mean ${meant}?`
  throw new InvalidArgumentError(`Known architectures: ${architectureNames.join(', ')}.${suggestion}`)
}
