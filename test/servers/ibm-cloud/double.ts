import type { S3Client } from '@aws-sdk/client-s3'
import type { FrontRequest } from '#test/servers/aws-front/call.ts'
import { type Fault, type InjectedFault, openFaults } from '#test/servers/aws-front/faults.ts'
import { serveOnLoopback } from '#test/servers/loopback.ts'
import { furnish } from './catalog.ts'
import { serve } from './serve.ts'
import { type DoubleSettings, defaultSettings } from './settings.ts'
import type { World } from './world.ts'

/** A strict double of the calls of IBM Cloud that we make; it has never met the real service either. */
export interface IbmDouble extends AsyncDisposable {
  /** For the configuration of the cloud; object storage is somewhere else. */
  readonly endpoints: { vpc: string; iam: string; tagging: string; resources: string }
  /** Every request in the order of arrival, also the refused ones. */
  readonly requests: readonly FrontRequest[]
  /** Can be changed at any time. */
  readonly settings: DoubleSettings
  readonly world: World
  /** Lets requests run into a fault from now on; of several the one that was injected first. */
  inject(fault: Fault): InjectedFault
  /** Requests for the action. */
  calls(action: string): FrontRequest[]
  /** Ids of the subnets of a region, one a zone. */
  subnets(region: string): string[]
  /** Ids of the security groups of a region. */
  securityGroups(region: string): string[]
  /** The machine powers itself off, as after `poweroff` in it. */
  powerOff(instanceId: string): void
  /** Ends every token that was given out. */
  endTokens(): void
  forgetRequests(): void
  /** Forgets everything that was made, and every fault. */
  reset(): void
}

/** Starts the double on a free loopback port; `store` is the object storage as VPC itself reads it. */
export async function startIbmDouble(
  store: S3Client,
  change: Partial<DoubleSettings> = {},
): Promise<IbmDouble> {
  const settings = { ...defaultSettings(), ...change }
  const world: World = {
    settings,
    store,
    tokens: new Map(),
    images: new Map(),
    volumes: new Map(),
    instances: new Map(),
    machinesMade: [],
    addresses: new Map(),
    subnets: new Map(),
    securityGroups: new Map(),
    tags: new Map(),
    tagNames: new Set(),
    pages: new Map(),
  }
  furnish(world)
  let faults = openFaults()
  const requests: FrontRequest[] = []
  const server = await serveOnLoopback(
    (incoming, outgoing) => void serve(world, faults, requests, incoming, outgoing),
  )
  const at = (service: string, region: string) => `${server.url}/${service}/${region}`
  return {
    endpoints: {
      vpc: at('vpc', '{region}'),
      iam: at('iam', 'global'),
      tagging: at('tagging', 'global'),
      resources: at('resources', 'global'),
    },
    requests,
    settings,
    world,
    inject: (fault) => faults.inject(fault),
    calls: (action) => requests.filter((request) => request.action === action),
    subnets: (region) =>
      [...world.subnets.values()].filter((each) => each.region === region).map(({ id }) => id),
    securityGroups: (region) =>
      [...world.securityGroups].filter(([, each]) => each.region === region).map(([id]) => id),
    powerOff(id) {
      const instance = world.instances.get(id)
      if (instance?.status !== 'running') throw new Error(`${id} does not run`)
      instance.status = 'stopped'
    },
    endTokens: () => world.tokens.clear(),
    forgetRequests: () => requests.splice(0),
    reset() {
      faults = openFaults()
      for (const all of [world.instances, world.volumes, world.addresses, world.tags, world.pages])
        all.clear()
      for (const { id, visibility } of world.images.values())
        if (visibility === 'private') world.images.delete(id)
      world.tagNames.clear()
      world.machinesMade.splice(0)
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}
