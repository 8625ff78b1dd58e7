import type { FrontRequest } from './call.ts'
import type { Refusal } from './refusal.ts'

/** What happens to a request instead of its answer. */
export type Effect =
  /** It is refused and not done. */
  | { readonly kind: 'refused'; refusal(service: string): Refusal }
  /** It is done, and refused all the same: the answer is lost. */
  | { readonly kind: 'done-and-refused'; refusal(service: string): Refusal }
  /** The connection is reset; it is done before that, or not. */
  | { readonly kind: 'cut'; readonly isDone: boolean }
  /** No answer ever comes; it is done, or not. */
  | { readonly kind: 'stalled'; readonly isDone: boolean }
  /** It is on its way for longer than its sender lives: done when `until` is over, and answered to nobody but the test. */
  | { readonly kind: 'late'; readonly until: Promise<void>; answered(request: FrontRequest): void }
  /** The answer is nothing that AWS would write; it is done, or not. */
  | { readonly kind: 'garbage'; readonly isDone: boolean; readonly status: number; readonly body: string }

export interface Fault {
  readonly service?: string
  readonly action?: string | readonly string[]
  readonly region?: string
  /** Any further choice, by what the request says. */
  readonly when?: (request: FrontRequest) => boolean
  /** Matching requests that pass before the first one that does not; 0 when not given. */
  readonly after?: number
  /** From then on every n-th; 1 when not given. */
  readonly every?: number
  /** So many times; for ever when not given. */
  readonly times?: number
  readonly effect: Effect
}

export interface InjectedFault {
  /** How often it has happened. */
  readonly count: number
  /** Resolves with the request that it happens to first. */
  readonly happened: Promise<FrontRequest>
  remove(): void
}

export interface Faults {
  inject(fault: Fault): InjectedFault
  /** The first fault that the request runs into. */
  strike(request: FrontRequest): Strike | undefined
}

export interface Strike {
  readonly effect: Effect
  /** The request was refused anyway: the fault is still to come. */
  takeBack(): void
  /** It happens now. */
  happens(): void
}

export function openFaults(): Faults {
  const armed = new Set<Armed>()
  return {
    inject(fault) {
      const { promise, resolve } = Promise.withResolvers<FrontRequest>()
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
    strike(request) {
      for (const one of armed) {
        if (!matches(one.fault, request) || !isDue(one)) continue
        one.count += 1
        return {
          effect: one.fault.effect,
          takeBack: () => (one.count -= 1),
          happens: () => one.announce(request),
        }
      }
      return undefined
    },
  }
}

interface Armed {
  readonly fault: Fault
  /** Matching requests so far. */
  seen: number
  count: number
  announce(request: FrontRequest): void
}

function matches({ service, action, region, when }: Fault, request: FrontRequest): boolean {
  const actions = action === undefined ? [request.action] : [action].flat()
  return (
    (service ?? request.service) === request.service &&
    (region ?? request.region) === request.region &&
    actions.includes(request.action) &&
    (when?.(request) ?? true)
  )
}

function isDue(one: Armed): boolean {
  const { after = 0, every = 1, times = Number.POSITIVE_INFINITY } = one.fault
  one.seen += 1
  const turn = one.seen - after
  return turn > 0 && (turn - 1) % every === 0 && one.count < times
}
