import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { forRegion } from '#clouds/ibm/config.ts'
import { leaseOfName } from '#clouds/ibm/names.ts'
import { openStore } from '#src/artifact/store.ts'
import type { IbmForTests } from '#test/clouds/ibm-fixture.ts'
import type { ImageRecord } from '#test/servers/ibm-cloud/world.ts'
import { identityIn } from './cloud-disk.ts'
import { isLong, isReading, partsOfPoint } from './cloud-points.ts'
import type { Struck, WorldCloud } from './cloud-worlds.ts'

/** Requests to object storage; the others are to IBM Cloud. */
const ofBucket = /Upload|Object/
/** Its id, its release, and an end before and after. */
const mostTagsOfNothing = 4

export interface IbmCloud extends WorldCloud {
  readonly images: () => ImageRecord[]
}

/** An account of IBM Cloud that is empty. */
export async function ibmCloud(ibm: IbmForTests, directory: string): Promise<IbmCloud> {
  const { double, cos, owner } = ibm
  const { world } = double
  const struck: Struck[] = []
  const forgetRequests = () => {
    double.forgetRequests()
    cos.forgetRequests()
  }
  await ibm.reset()
  forgetRequests()
  const configured = ibm.configuration()
  const { region, copyTo, subnets } = configured
  const booted = isLong ? [region, ...copyTo] : [region]
  const own = Object.fromEntries(booted.map((name) => [name, forRegion(configured, subnets, name)]))
  const configuration = ibm.configuration({ deprecateAfter: '90d', subnets: own })
  const images = () => [...world.images.values()].filter(({ visibility }) => visibility === 'private')
  const leaseOf = ({ name }: { name: string }) => leaseOfName(name, owner) ?? `none: ${name}`
  return {
    account: { kind: 'ibm', owner, format: 'qcow2', configuration },
    regions: booted,
    unverified: copyTo.filter((name) => !booted.includes(name)),
    images,
    changes: () =>
      [...double.requests, ...cos.requests]
        .filter(({ action }) => !changesNothing(action))
        .toSorted((a, b) => a.at - b.at)
        .map(({ action, region }) => `${action} ${region}`),
    forgetRequests,
    strike(request, outage) {
      const { name, number } = partsOfPoint(request)
      const [action = '', region = ''] = name.split(' ')
      const front = ofBucket.test(action) ? cos : double
      const one = front.inject({ action, region, after: number - 1, times: 1, effect: outage })
      struck.push(one)
      return one
    },
    async answerOf(id) {
      const machine = world.instances.get(id)
      const isBound = [...world.addresses.values()].some(({ target }) => target === machine?.interfaceId)
      if (machine?.status !== 'running' || !isBound) return undefined
      const image = world.images.get(machine.request.image)!
      return image.visibility === 'public' ? '' : await identityOf(image, directory)
    },
    living: () => Promise.resolve([...world.instances.values()].map(leaseOf)),
    started: () => Promise.resolve(world.machinesMade.map((name) => leaseOf({ name }))),
    async others() {
      const broken = [...double.requests, ...cos.requests].filter(({ refusal }) =>
        /broken/i.test(refusal ?? ''),
      )
      const things = [...world.volumes.values(), ...world.addresses.values()].map(({ name }) => name)
      return [
        ...things,
        ...(await ibm.inBucket()),
        ...tagsOfNothing(ibm),
        ...broken.map(({ action }) => action),
      ]
    },
    [Symbol.asyncDispose]() {
      for (const one of struck) one.remove()
      return Promise.resolve()
    },
  }
}

/** A token is nothing that stays. */
export function changesNothing(action: string): boolean {
  return isReading(action) || action === 'CreateToken'
}

/** VPC has read these bytes to their end, and the factory still has them under their digest. */
async function identityOf({ sha256 = '' }: ImageRecord, directory: string): Promise<string> {
  return identityIn(await readFile(openStore(join(directory, 'state')).path(sha256)), 'qcow2')
}

/**
 * Names of tags that the account would list for ever although nothing bears them. A kill leaves at most those of the lease
 * that was being prolonged or given back: nothing tells of them when their things are gone.
 */
function tagsOfNothing({ double: { world } }: IbmForTests): string[] {
  const borne = new Set([...world.tags.values()].flatMap(({ tags }) => [...tags]))
  const others = [...world.tagNames].filter((name) => !borne.has(name))
  return others.length > mostTagsOfNothing ? others : []
}
