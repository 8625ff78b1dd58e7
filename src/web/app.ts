import { Hono } from 'hono'
import { api } from './api.ts'
import { limitedBody } from './body.ts'
import type { WebEnvironment } from './environment.ts'
import { events } from './events.ts'
import { authenticated, headers, sameSite } from './guard.ts'
import { health } from './health.ts'
import { login } from './login.ts'
import { metrics } from './metrics.ts'
import { pages } from './pages/index.ts'
import { notFound, refuse } from './refusals.ts'
import { streams } from './streams.ts'
import { toldChoices } from './told-choices.ts'
import type { Access } from './tokens.ts'
import type { Serving } from './types.ts'
import { webhooks } from './webhooks.ts'

export interface AppOptions {
  access: Access
  /** What webhooks are signed with; without it there are none. */
  webhookSecret: string | undefined
  /** Aborted when the server closes: streams end. */
  closing: AbortSignal
  /** Milliseconds for the body of a webhook. */
  bodyMs?: number
  /** Milliseconds between the signs of life of a stream of events. */
  heartbeatMs?: number
}

/** Everything that is served, the guard before it. What stands before the guard looks after itself. */
export function createApp(silent: Serving, options: AppOptions): Hono<WebEnvironment> {
  const serving: Serving = { ...silent, choose: toldChoices(silent) }
  const { access, webhookSecret, closing, bodyMs = 10_000, heartbeatMs = 15_000 } = options
  const app = new Hono<WebEnvironment>()
  app.onError((error, context) => refuse(context, error))
  app.notFound((context) => refuse(context, notFound(context.req.path)))
  app.use(headers())
  app.route('/', webhooks(serving, { secret: webhookSecret, bodyMs }))
  app.route('/', health(serving))
  app.use(sameSite(serving.configuration.serve))
  app.use(limitedBody())
  app.use(authenticated(access))
  app.route('/', pages(serving))
  app.route('/', login(access, serving.configuration.serve))
  app.route('/', api(serving))
  app.route('/', streams(serving))
  app.route('/', events(serving, { heartbeatMs, closing }))
  app.route('/', metrics(serving, closing))
  return app
}
