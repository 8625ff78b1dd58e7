import { Hono } from 'hono'
import type { WebEnvironment } from '../environment.ts'
import type { Serving } from '../types.ts'

/** The pages for people. */
export function pages(_serving: Serving): Hono<WebEnvironment> {
  return new Hono<WebEnvironment>()
}
