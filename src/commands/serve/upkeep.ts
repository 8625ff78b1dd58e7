import type { Cloud } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import type { Listener } from '#src/events.ts'
import { leaksFound } from '#src/notify/leaks.ts'
import type { Notifier } from '#src/notify/notifier.ts'
import { reap } from '#src/release/reap.ts'
import type { Found } from '../findings.ts'

const reapEveryMs = 3_600_000
const doctorEveryMs = 6 * 3_600_000
const lookEveryMs = 5_000
const confirmMs = 5_000

export interface Upkeep {
  clouds: ReadonlyMap<string, Cloud>
  owner: string
  ctx: Context
  /** Throws when another engine is at work, which then looks after things. */
  assertCurrent(): void
  notifier: Notifier
  listener: Listener
  /** Whether a release is being made, which looks for what is left over by itself. */
  busy(): boolean
  /** Repairs what the clouds show of the channels. */
  repair(): Promise<void>
  doctor(): Promise<readonly Found[]>
  found(found: readonly Found[]): void
}

/**
 * Looks after things between releases: what is left rented, what doctor finds, what the clouds show. Ends with its
 * context; throws `fenced` when another engine took over.
 */
export async function lookAfter(upkeep: Upkeep): Promise<void> {
  const { ctx, busy } = upkeep
  const chores = [
    { everyMs: doctorEveryMs, next: 0, run: async () => upkeep.found(await upkeep.doctor()) },
    { everyMs: reapEveryMs, next: 0, run: async () => await removeLeaks(upkeep) },
    { everyMs: reapEveryMs, next: 0, run: async () => await upkeep.repair() },
  ]
  while (!ctx.signal.aborted) {
    upkeep.assertCurrent()
    for (const chore of chores) {
      if (busy() || ctx.now() < chore.next) continue
      chore.next = ctx.now() + chore.everyMs
      await chore.run().catch((error: unknown) => warn(upkeep, error))
    }
    await ctx.sleep(lookEveryMs)
  }
}

async function removeLeaks({ clouds, owner, ctx, notifier }: Upkeep): Promise<void> {
  const reaped = await reap(clouds, { owner, dryRun: false, confirmMs }, ctx)
  for (const notice of leaksFound(reaped, ctx.now())) notifier.tell(notice)
}

function warn({ ctx, listener }: Upkeep, caught: unknown): void {
  ctx.signal.throwIfAborted()
  const { code, message, hint } = asFactoryError(caught)
  if (code === 'fenced' || code === 'journal-broken') throw caught
  listener({ type: 'warning', at: ctx.now(), message, ...(hint === undefined ? {} : { hint }) })
}
