import type { Seen, Service } from './request.ts'

/** What happens to a request instead of its answer. */
export type Effect =
  /** It is answered so; before that it is done, or not. */
  | { kind: 'refused'; isDone: boolean; status: number; json?: unknown; headers?: Record<string, string> }
  /** The connection is reset; it is done before that, or not. */
  | { kind: 'cut'; isDone: boolean }
  /** No answer ever comes; it is done, or not. */
  | { kind: 'stalled'; isDone: boolean }
  /** It is done, and its answer is another one. */
  | { kind: 'changed'; change(json: Record<string, unknown>): unknown }

export interface Fault {
  readonly service?: Service
  readonly method?: string
  readonly path?: RegExp
  /** Matching requests that pass before the first one that does not; 0 when not given. */
  readonly after?: number
  /** So many times; for ever when not given. */
  readonly times?: number
  readonly effect: Effect
}

export interface InjectedFault {
  /** How often it has happened. */
  readonly count: number
  /** Resolves when it happens first; where the request is done before that, then. */
  readonly happened: Promise<void>
  remove(): void
}

export interface Faults {
  inject(fault: Fault): InjectedFault
  strike(request: Seen): Strike | undefined
  clear(): void
}

export interface Strike {
  readonly effect: Effect
  /** It happens now. */
  happens(): void
}

interface Armed {
  readonly fault: Fault
  /** Matching requests so far. */
  seen: number
  count: number
  announce(): void
}

export function openFaults(): Faults {
  const armed = new Set<Armed>()
  return {
    inject(fault) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const one: Armed = { fault, seen: 0, count: 0, announce: resolve }
      armed.add(one)
      return {
        get count() {
          return one.count
        },
        happened: promise,
        remove: () => void armed.delete(one),
      }
    },
    clear: () => armed.clear(),
    strike(request) {
      for (const one of armed) {
        const { service, method, path, after = 0, times = Number.POSITIVE_INFINITY, effect } = one.fault
        const isMeant =
          (service ?? request.service) === request.service &&
          (method ?? request.method) === request.method &&
          (path?.test(request.path) ?? true)
        if (!isMeant) continue
        one.seen += 1
        if (one.seen <= after || one.count >= times) continue
        one.count += 1
        return { effect, happens: one.announce }
      }
      return undefined
    },
  }
}
