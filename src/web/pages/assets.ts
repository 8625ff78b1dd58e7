import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Hono } from 'hono'
import type { WebEnvironment } from '../environment.ts'

const types = {
  'page.css': 'text/css; charset=utf-8',
  'page.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
} as const

type AssetName = keyof typeof types

const assets = Object.fromEntries(
  Object.entries(types).map(([name, type]) => {
    const content = readFileSync(new URL(`static/${name}`, import.meta.url), 'utf8')
    const version = createHash('sha256').update(content).digest('hex').slice(0, 12)
    return [name, { type, content, version }]
  }),
) as Record<AssetName, { type: string; content: string; version: string }>

/** An address that changes with the content, so browsers may keep what it names. */
export function assetAddress(name: AssetName): string {
  return `/assets/${name}?${assets[name].version}`
}

export function serveAssets(app: Hono<WebEnvironment>): void {
  for (const [name, { type, content }] of Object.entries(assets)) {
    app.get(`/assets/${name}`, (c) =>
      c.body(content, 200, { 'Content-Type': type, 'Cache-Control': 'public, max-age=31536000, immutable' }),
    )
  }
}
