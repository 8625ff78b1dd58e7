import { Refusal } from './refusal.ts'

/** A query form as it came: `TagSpecification.1.Tag.2.Key` → value. */
export type Parameters = Readonly<Record<string, string>>

export interface Filter {
  readonly name: string
  readonly values: readonly string[]
}

/** The values of a list of plain values: `InstanceId.1`, `InstanceId.2` … */
export function listOf(parameters: Parameters, name: string): string[] {
  return numbered(parameters, name).flatMap((key) => parameters[key] ?? [])
}

/** The members of a list of structures, each with what stands after `Name.N.`. */
export function groupsOf(parameters: Parameters, name: string): Parameters[] {
  return numbered(parameters, name).map((prefix) => below(parameters, prefix))
}

/** A parameter that the operation cannot do without. */
export function need(parameters: Parameters, name: string): string {
  const value = parameters[name]
  if (value !== undefined && value !== '') return value
  throw new Refusal({
    code: 'MissingParameter',
    message: `The request must contain the parameter ${name}`,
  })
}

/** What stands below a prefix, without it. */
export function below(parameters: Parameters, prefix: string): Parameters {
  const start = `${prefix}.`
  return Object.fromEntries(
    Object.entries(parameters)
      .filter(([key]) => key.startsWith(start))
      .map(([key, value]) => [key.slice(start.length), value]),
  )
}

export function filtersOf(parameters: Parameters): Filter[] {
  return groupsOf(parameters, 'Filter').map((filter) => ({
    name: filter['Name'] ?? '',
    values: listOf(filter, 'Value'),
  }))
}

/** The tags of `TagSpecification.N` by resource type. */
export function tagSpecifications(parameters: Parameters): Record<string, Record<string, string>> {
  const specifications = groupsOf(parameters, 'TagSpecification')
  return Object.fromEntries(specifications.map((each) => [each['ResourceType'] ?? '', tagsOf(each)]))
}

export function tagsOf(parameters: Parameters): Record<string, string> {
  return Object.fromEntries(groupsOf(parameters, 'Tag').map((tag) => [tag['Key'] ?? '', tag['Value'] ?? '']))
}

/** Tags as the parameters of CreateTags. */
export function createTagsParameters(
  ids: readonly string[],
  tags: Readonly<Record<string, string>>,
): Parameters {
  const resources = ids.map((id, index) => [`ResourceId.${index + 1}`, id])
  const pairs = Object.entries(tags).flatMap(([key, value], index) => [
    [`Tag.${index + 1}.Key`, key],
    [`Tag.${index + 1}.Value`, value],
  ])
  return Object.fromEntries([...resources, ...pairs])
}

/** Everything that makes two requests the same request, whatever the order. */
export function fingerprint(parameters: Parameters): string {
  const kept = Object.entries(parameters).filter(([key]) => !ofTheCall.has(key))
  return JSON.stringify(kept.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

const ofTheCall = new Set(['Action', 'Version', 'ClientToken', 'DryRun'])

function numbered(parameters: Parameters, name: string): string[] {
  const pattern = new RegExp(`^${name}\\.(\\d+)(?:\\.|$)`)
  const numbers = Object.keys(parameters).flatMap((key) => pattern.exec(key)?.[1] ?? [])
  return [...new Set(numbers)].toSorted((a, b) => Number(a) - Number(b)).map((number) => `${name}.${number}`)
}
