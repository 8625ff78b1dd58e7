import { type Context, Hono } from 'hono'
import type { WebEnvironment } from '../environment.ts'
import type { Serving } from '../types.ts'
import { serveActions } from './actions.ts'
import { serveAssets } from './assets.ts'
import { imagesPage } from './images.ts'
import { type PageFacts, layout } from './layout.ts'
import { followEvents } from './live.ts'
import { serveManifest } from './manifest.ts'
import { type Markup, line } from './markup.ts'
import { missingPage } from './missing.ts'
import { overviewPage } from './overview.ts'
import { releasePage } from './release.ts'
import { tellingBoard } from './told.ts'

/** The pages for people. Forms go to routes of their own, which ask and lead back with what came of it. */
export function pages(serving: Serving): Hono<WebEnvironment> {
  const app = new Hono<WebEnvironment>()
  const live = followEvents(serving.events)
  const board = tellingBoard()
  const page = (c: Context<WebEnvironment>, facts: Pick<PageFacts, 'title' | 'here'>, main: Markup) =>
    layout(
      {
        ...facts,
        imageName: line(serving.configuration.image.name),
        told: board.get(c.req.query('told')),
        csrf: c.get('csrf'),
        nonce: c.get('secureHeadersNonce'),
      },
      main,
    )

  app.get('/', async (c) => {
    const main = await overviewPage(serving, live(), c.get('csrf'))
    return c.html(page(c, { title: 'Releases', here: 'overview' }, main))
  })
  app.get('/images', (c) =>
    c.html(page(c, { title: 'Images', here: 'images' }, imagesPage(serving, c.get('csrf')))),
  )
  app.get('/releases/:release', async (c) => {
    const name = c.req.param('release')
    const release = serving.state().releases.find((one) => one.release === name)
    if (!release) return c.html(page(c, { title: 'No such release' }, missingPage(name)), 404)
    const main = await releasePage(serving, release, live(), c.get('csrf'))
    return c.html(page(c, { title: `Release ${line(name)}` }, main))
  })
  serveManifest(app, serving)
  serveActions(app, serving, board)
  serveAssets(app)
  return app
}
