import { asFactoryError, type FactoryError } from '#src/errors.ts'
import { withTimeLimit } from '#src/time-limit.ts'
import { pauseAfter, type Patience } from './patience.ts'
import type { Message, Receiver, Sending } from './types.ts'

export interface LineSurroundings extends Sending {
  /** Resolves after `ms` milliseconds; rejects when stopped. */
  sleep(ms: number): Promise<void>
  log(line: string): void
}

/** What waits for one receiver, in its order. */
export interface Line {
  take(message: Message): void
  /** Resolves when nothing waits any more. */
  settled(): Promise<void>
}

const idsKept = 1000

/**
 * Brings messages to one receiver, one after the other, each at least once or not at all. That it fails is told by `log`
 * at the first try and then no more, until something arrives again; nothing is thrown.
 */
export function openLine(
  name: string,
  receiver: Receiver,
  patience: Patience,
  surroundings: LineSurroundings,
): Line {
  const { signal, now, sleep, log } = surroundings
  const waiting: { message: Message; until: number }[] = []
  const known = new Set<string>()
  let working: Promise<void> | undefined
  let failing = false
  let lost = 0

  async function work(): Promise<void> {
    for (let next = waiting[0]; next && !signal.aborted; next = waiting[0]) {
      await bring(next.message, next.until)
      waiting.shift()
    }
    waiting.length = 0
    working = undefined
  }

  async function bring(message: Message, until: number): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await once(message)
        recovered()
        return
      } catch (caught) {
        if (signal.aborted) return
        const error = asFactoryError(caught)
        const pauseMs = pauseAfter(error, tries, patience)
        const again = pauseMs !== undefined && now() + pauseMs <= until
        failed(error, again)
        if (!again) return
        await sleep(pauseMs).catch(() => {})
        if (signal.aborted) return
      }
    }
  }

  async function once(message: Message): Promise<void> {
    await withTimeLimit(`telling ${name}`, patience.tryMs, signal, (limited) =>
      receiver.send(message, { signal: limited, now }),
    )
  }

  function failed({ message, hint }: Pick<FactoryError, 'message' | 'hint'>, again: boolean): void {
    if (!again) lost += 1
    if (failing) return
    failing = true
    const next = again ? `; trying again for up to ${Math.round(patience.deadlineMs / 60_000)} min` : ''
    log(`${name} could not be told${next}: ${message}${hint === undefined ? '' : `. ${hint}`}`)
  }

  function recovered(): void {
    if (failing) log(`${name} works again; notices that were lost: ${lost}`)
    failing = false
    lost = 0
  }

  function isKnown(id: string): boolean {
    if (known.has(id)) return true
    known.add(id)
    if (known.size > idsKept) known.delete([...known][0]!)
    return false
  }

  return {
    take(message) {
      if (signal.aborted || isKnown(message.id)) return
      if (waiting.length >= patience.mostWaiting) return failed(tooMany(waiting.length), false)
      waiting.push({ message, until: now() + patience.deadlineMs })
      working ??= work()
    },
    async settled() {
      await working
    },
  }
}

function tooMany(waiting: number): { message: string; hint: undefined } {
  return { message: `${waiting} notices wait for it already`, hint: undefined }
}
