import { Hono } from 'hono'
import { etag } from 'hono/etag'
import type { ChannelName } from '#src/journal/channels.ts'
import { releaseOf } from '#src/release/streams.ts'
import type { WebEnvironment } from './environment.ts'
import { notFound } from './refusals.ts'
import type { Serving } from './types.ts'

/** Seconds for which a reader, or a proxy before us, need not ask again. */
const freshSeconds = 30

/** CoreOS stream metadata at addresses that stay: `/streams/promoted.json`. */
export function streams(serving: Serving): Hono<WebEnvironment> {
  const app = new Hono<WebEnvironment>()
  app.use('/streams/*', etag())
  for (const channel of ['candidate', 'promoted', 'previous'] as const) {
    app.get(`/streams/${channel}.json`, async (context) => {
      const found = await serving.stream(channel)
      if (!found) throw notFound(context.req.path, whyNot(serving, channel))
      context.header('Cache-Control', `public, max-age=${freshSeconds}`)
      return context.json(found)
    })
  }
  return app
}

function whyNot(serving: Serving, channel: ChannelName): string {
  return releaseOf(serving.state(), channel) === undefined
    ? `The channel ${channel} points to no release yet.`
    : 'The release of this channel was adopted from the clouds and has no release.json.'
}
