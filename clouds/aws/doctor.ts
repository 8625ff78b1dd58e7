import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import type { AwsSettings } from './settings.ts'

/** Nothing yet. */
export async function* doctor(_settings: AwsSettings, _ctx: Context): AsyncIterable<Finding> {}
