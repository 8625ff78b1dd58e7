import { resolve } from 'node:path'
import { parseDuration } from '#src/units.ts'
import type { FactoryFile } from './schema.ts'
import type {
  NotifyConfiguration,
  RebuildConfiguration,
  RetentionConfiguration,
  ServeConfiguration,
} from './types.ts'

export function retentionConfiguration({ keep, minAge }: FactoryFile['retention']): RetentionConfiguration {
  return { keep, minAgeMs: milliseconds(minAge) }
}

export function rebuildConfiguration(file: FactoryFile['rebuild'], directory: string): RebuildConfiguration {
  const { cron, timezone, inactivity, watch, git, every, pauseAfter } = file
  return {
    timezone,
    watch,
    pauseAfter,
    everyMs: milliseconds(every),
    ...(cron === undefined ? {} : { cron }),
    ...(inactivity === undefined ? {} : { inactivityMs: milliseconds(inactivity) }),
    ...(git === undefined ? {} : { git: { ...git, url: gitUrl(git.url, directory) } }),
  }
}

export function serveConfiguration(file: FactoryFile['serve'], directory: string): ServeConfiguration {
  const { listen, hosts, webhookSecret } = file
  const colon = listen.lastIndexOf(':')
  return {
    host: listen.slice(0, colon).replace(/^\[(.*)\]$/, '$1'),
    port: Number(listen.slice(colon + 1)),
    hosts,
    ...(webhookSecret === undefined ? {} : { webhookSecret: resolve(directory, webhookSecret) }),
  }
}

export function notifyConfiguration(file: FactoryFile['notify'], directory: string): NotifyConfiguration[] {
  const files = ['urlFile', 'secretFile', 'tokenFile', 'passwordFile']
  return file.map(
    (one) =>
      Object.fromEntries(
        Object.entries(one).map(([key, value]) =>
          files.includes(key) ? [key, resolve(directory, String(value))] : [key, value],
        ),
      ) as NotifyConfiguration,
  )
}

/** `host:path` and `scheme://` are as they are; anything else is a directory here. */
function gitUrl(url: string, directory: string): string {
  return /^[a-z+]+:\/\/|^[^/]+:/.test(url) ? url : resolve(directory, url)
}

function milliseconds(text: string): number {
  return parseDuration(text) ?? 0
}
