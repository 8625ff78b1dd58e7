import { setTimeout as delay } from 'node:timers/promises'
import type { Context } from '#src/context.ts'
import { leaseUntilFile } from './seed.ts'
import type { Builder } from './types.ts'

/**
 * Moves a machine's own end into the future: it will power itself off `leaseMs` milliseconds from now, counted
 * on its boot clock, unless this is called again.
 */
export async function prolongLease(builder: Builder, leaseMs: number): Promise<void> {
  const script = `read -r up _ < /proc/uptime
mkdir -p "$(dirname "$2")"
echo $((\${up%.*} + $1)) > "$2.new"
mv "$2.new" "$2"`
  const seconds = String(Math.round(leaseMs / 1000))
  await builder.exec(['sh', '-c', script, 'prolong', seconds, leaseUntilFile])
}

/**
 * Prolongs the lease now and again and again until it is disposed of: first what others can read of it (`prolong`), then
 * the machine's own timer. A heartbeat that fails is only logged: whatever uses the builder at that time has the better
 * message.
 */
export function keepLease(
  builder: Builder,
  leaseMs: number,
  { prolong, ctx }: { prolong: () => Promise<void>; ctx: Context },
): AsyncDisposable {
  const ended = new AbortController()
  const signal = AbortSignal.any([ended.signal, ctx.signal])
  const beat = async () => {
    await prolong()
    await prolongLease(builder, leaseMs)
  }
  const beating = (async () => {
    while (!signal.aborted) {
      await beat().catch((error: unknown) => {
        if (!signal.aborted) ctx.log(`the heartbeat failed: ${String(error)}`)
      })
      await delay(leaseMs / 8, undefined, { signal }).catch(() => undefined)
    }
  })()
  return {
    async [Symbol.asyncDispose]() {
      ended.abort()
      await beating
    },
  }
}
