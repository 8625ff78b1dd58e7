import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import type { OpenstackSettings } from './settings.ts'

export async function* doctor(_settings: OpenstackSettings, _ctx: Context): AsyncIterable<Finding> {}
