import type { Seen, Service } from './request.ts'

/** What happens to a request instead of its answer. */
export type Effect =
  /** It is answered so; before that it is done, or not. */
  | { kind: 'refused'; isDone: boolean; status: number; json?: unknown; headers?: Record<string, string> }
  /** The connection is reset; it is done before that, or not. */
  | { kind: 'cut'; isDone: boolean }
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
  remove(): void
}

export interface Faults {
  inject(fault: Fault): InjectedFault
  strike(request: Seen): Effect | undefined
  clear(): void
}

export function openFaults(): Faults {
  const armed = new Set<{ fault: Fault; seen: number; count: number }>()
  return {
    inject(fault) {
      const one = { fault, seen: 0, count: 0 }
      armed.add(one)
      return {
        get count() {
          return one.count
        },
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
        return effect
      }
      return undefined
    },
  }
}
