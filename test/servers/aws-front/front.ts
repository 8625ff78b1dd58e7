import { serveOnLoopback } from '../loopback.ts'
import type { FrontRequest } from './call.ts'
import { openFaults } from './faults.ts'
import type { Fault, InjectedFault } from './faults.ts'
import { interrupt, powerOff } from './instance-life.ts'
import { serve } from './serve.ts'
import { defaultSettings } from './settings.ts'
import type { FrontSettings } from './settings.ts'
import { openUpstream } from './upstream.ts'
import { openWorld } from './world.ts'

/** A stricter AWS before an emulator of it. */
export interface AwsFront extends AsyncDisposable {
  /** The endpoint of every service, `http://127.0.0.1:PORT`. */
  readonly endpoint: string
  /** Every request in the order of arrival, also the refused ones. */
  readonly requests: readonly FrontRequest[]
  /** Bytes of all request bodies. */
  readonly bodyBytes: number
  /** Can be changed at any time. */
  readonly settings: FrontSettings
  /** Lets requests run into a fault from now on; of several the one that was injected first. */
  inject(fault: Fault): InjectedFault
  /** The machine powers itself off, as after `poweroff` in it. */
  powerOff(instanceId: string): Promise<void>
  /** The spot market takes the machine back. */
  interrupt(instanceId: string): Promise<void>
  /** Forgets the requests that were recorded so far. */
  forgetRequests(): void
}

export interface AwsFrontOptions {
  /** The endpoint of the emulator. */
  readonly upstream: string
  /** The emulator's account. */
  readonly account?: string
  readonly settings?: Partial<FrontSettings>
}

/** Starts the front on a free loopback port. */
export async function startAwsFront(options: AwsFrontOptions): Promise<AwsFront> {
  const upstream = openUpstream(options.upstream)
  const settings = { ...defaultSettings(), ...options.settings }
  const world = openWorld(upstream, settings, options.account ?? '123456789012')
  const faults = openFaults()
  const requests: FrontRequest[] = []
  const server = await serveOnLoopback(
    (incoming, outgoing) => void serve(world, faults, requests, incoming, outgoing),
  )
  return {
    endpoint: server.url,
    requests,
    get bodyBytes() {
      return requests.reduce((sum, { bodyBytes }) => sum + bodyBytes, 0)
    },
    settings,
    inject: faults.inject,
    powerOff: (id) => powerOff(world, id),
    interrupt: (id) => interrupt(world, id),
    forgetRequests: () => requests.splice(0),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      upstream[Symbol.dispose]()
    },
  }
}
