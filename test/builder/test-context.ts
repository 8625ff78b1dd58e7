import { setTimeout as sleep } from 'node:timers/promises'
import type { BuilderRef } from '#src/builder/types.ts'
import type { Context, Progress } from '#src/context.ts'
import type { TcpProxy } from '#test/servers/tcp-proxy.ts'

export interface TestContext extends Context {
  readonly told: Progress[]
  readonly lines: string[]
}

/** A context that remembers what was told. */
export function testContext(signal: AbortSignal = new AbortController().signal): TestContext {
  const told: Progress[] = []
  const lines: string[] = []
  return {
    told,
    lines,
    signal,
    emit: (progress) => told.push(progress),
    log: (line) => lines.push(line),
    now: () => Date.now(),
    sleep: (ms) =>
      sleep(ms, undefined, { signal }).catch(() => {
        throw signal.reason
      }),
  }
}

/** The builder as it is reached through a proxy. */
export function behind(proxy: TcpProxy, ref: BuilderRef): BuilderRef {
  return { ...ref, address: { host: '127.0.0.1', port: proxy.port } }
}
