import { serveOnLoopback } from '../loopback.ts'
import type { Stack } from '../openstack/stack.ts'
import { type Fault, type InjectedFault, openFaults } from './faults.ts'
import type { Seen } from './request.ts'
import { serve } from './serve.ts'
import { type DoubleSettings, defaultSettings } from './settings.ts'
import { type World, openWorld } from './world.ts'

/**
 * A cloud: Debian's Keystone and Glance behind one address, where faults can be put before them, and beside them a strict
 * double of what we call of Nova, Cinder and Neutron.
 */
export interface Cloud extends AsyncDisposable {
  /** For clouds.yaml. */
  readonly authUrl: string
  readonly world: World
  /** Every request in the order of arrival, also the refused ones. */
  readonly requests: readonly Seen[]
  /** Can be changed at any time. */
  readonly settings: DoubleSettings
  /** Lets requests run into a fault from now on; of several the one that was injected first. */
  inject(fault: Fault): InjectedFault
  forgetRequests(): void
  /** Forgets all but images: faults, machines, requests and what was set. */
  reset(): void
}

export const region = 'RegionOne'
/** Of the second Glance. */
export const secondRegion = 'RegionTwo'

/** Starts the double on a free loopback port and registers all services in Keystone's catalogue. */
export async function startCloud(stack: Stack, changes: Partial<DoubleSettings> = {}): Promise<Cloud> {
  const settings = { ...defaultSettings(), ...changes }
  const world = openWorld(stack, settings)
  const faults = openFaults()
  const requests: Seen[] = []
  const server = await serveOnLoopback(
    (incoming, outgoing) => void serve(world, faults, requests, incoming, outgoing),
  )
  const root = server.url
  const { keystone, projectId } = stack
  await keystone.forgetEndpoints()
  await keystone.makeEndpoint('image', region, `${root}/image`)
  if (stack.secondGlanceUrl) await keystone.makeEndpoint('image', secondRegion, `${root}/image-two`)
  await keystone.makeEndpoint('compute', region, `${root}/compute/v2.1`)
  await keystone.makeEndpoint('block-storage', region, `${root}/volume/v3/${projectId}`)
  await keystone.makeEndpoint('network', region, `${root}/network`)
  return {
    authUrl: `${root}/identity/v3`,
    world,
    requests,
    settings,
    inject: faults.inject,
    forgetRequests: () => requests.splice(0),
    reset() {
      faults.clear()
      requests.splice(0)
      for (const all of [world.servers, world.volumes, world.ports, world.addresses]) all.clear()
      world.serversMade.splice(0)
      Object.assign(settings, defaultSettings(), changes)
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}
