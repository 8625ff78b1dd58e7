import { readFile } from 'node:fs/promises'
import type { Hono } from 'hono'
import { releaseManifestFile } from '#src/release/scope.ts'
import type { WebEnvironment } from '../environment.ts'
import type { Serving } from '../types.ts'

export function manifestAddress(release: string): string {
  return `/releases/${encodeURIComponent(release)}/release.json`
}

/** release.json of any release that the journal knows; others are not looked for on the disk. */
export function serveManifest(app: Hono<WebEnvironment>, serving: Serving): void {
  app.get('/releases/:release/release.json', async (c) => {
    const name = c.req.param('release')
    const known = serving.state().releases.some(({ release }) => release === name)
    const file = releaseManifestFile(serving.configuration.stateDirectory, name)
    const content = known ? await readFile(file, 'utf8').catch(absent) : undefined
    if (content === undefined) return c.json({ error: `there is no release.json of ${name} yet` }, 404)
    return c.body(content, 200, { 'Content-Type': 'application/json' })
  })
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
