import { Hono } from 'hono'
import type { WebEnvironment } from './environment.ts'
import type { Serving } from './types.ts'

/** For whoever watches the process: `/healthz` that it answers, `/readyz` that it can make a release. Any name will do. */
export function health(serving: Serving): Hono<WebEnvironment> {
  return new Hono<WebEnvironment>()
    .get('/healthz', (context) => context.text('ok\n'))
    .get('/readyz', (context) => {
      const ready = serving.ready()
      return ready === true ? context.text('ready\n') : context.text(`not ready: ${ready}\n`, 503)
    })
}
