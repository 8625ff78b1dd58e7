import { z } from 'zod'
import { Refused } from './refusal.ts'
import type { World } from './world.ts'

/** One request to one operation. */
export interface Call {
  readonly region: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** The pieces of the path that the pattern holds. */
  readonly words: readonly string[]
  readonly body: unknown
}

export interface Reply {
  readonly status: number
  readonly body?: object
}

export interface Operation {
  readonly action: string
  readonly method: string
  readonly path: RegExp
  /** Query parameters beside `version` and `generation`. */
  readonly query?: readonly string[]
  run(call: Call, world: World): Promise<Reply> | Reply
}

/** Names of VPC: https://cloud.ibm.com/apidocs/vpc#create-instance */
export const nameRule = z
  .string()
  .max(63)
  .regex(/^([a-z]|[a-z][-a-z0-9]*[a-z0-9])$/)
  .refine((name) => !name.startsWith('ibm-'))

/** The body as the API describes it, with nothing that it does not know. */
export function bodyOf<T>(schema: z.ZodType<T>, { body }: Call): T {
  const read = schema.safeParse(body)
  if (read.success) return read.data
  const [issue] = read.error.issues
  const code = issue!.path.at(-1) === 'name' ? 'validation_invalid_name' : 'validation_failed'
  throw new Refused(400, code, `${issue!.path.join('.')}: ${issue!.message}`)
}

export function needUnique(
  things: Iterable<{ name: string; region: string }>,
  name: string,
  region: string,
): void {
  for (const thing of things) {
    if (thing.name === name && thing.region === region)
      throw new Refused(400, 'validation_unique_failed', `Provided Name (${name}) is not unique`)
  }
}

export function needResourceGroup(id: string | undefined, { settings }: World): void {
  if (id === undefined || settings.resourceGroups.some((group) => group.id === id)) return
  throw new Refused(404, 'resource_group_not_found', `Resource group with ID (${id}) not found`)
}

export const resourceGroup = z.strictObject({ id: z.string() }).optional()
