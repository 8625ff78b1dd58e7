import type { Operation } from './call.ts'
import { describe } from './describe.ts'
import type { View } from './describe.ts'
import type { ImageRecord } from './images.ts'
import { listOf } from './query.ts'
import { Refusal } from './refusal.ts'
import type { World } from './world.ts'
import { items, tagSet, tagsIn, text } from './xml.ts'
import type { Node } from './xml.ts'

const view: View = {
  action: 'DescribeImages',
  set: 'imagesSet',
  idParameter: 'ImageId',
  kind: 'image',
  pageLimits: [1, 1000],
  notFound: noSuchImage,
  idOf: (item) => text(item, 'imageId') ?? '',
  filters: {
    architecture: 'architecture',
    'block-device-mapping.snapshot-id': 'blockDeviceMapping.item.ebs.snapshotId',
    'boot-mode': 'bootMode',
    'creation-date': 'creationDate',
    description: 'description',
    'ena-support': 'enaSupport',
    hypervisor: 'hypervisor',
    'image-id': 'imageId',
    'image-type': 'imageType',
    'is-public': 'isPublic',
    name: 'name',
    'owner-alias': 'imageOwnerAlias',
    'owner-id': 'imageOwnerId',
    'root-device-name': 'rootDeviceName',
    'root-device-type': 'rootDeviceType',
    state: 'imageState',
    'virtualization-type': 'virtualizationType',
  },
  list: async (call, world) => items((await world.upstream.ec2(call.region, 'DescribeImages'))['imagesSet']),
  complete: (item, world) => complete(item, world.images.get(view.idOf(item)), world),
  selects(item, call, world) {
    const owner = text(item, 'imageOwnerId') ?? ''
    const asked = listOf(call.parameters, 'Owner')
    const owners = asked.map((each) => (each === 'self' ? world.account : each))
    return owners.length === 0 || owners.includes(owner) || (owners.includes('amazon') && isAmazons(item))
  },
  seen(item, world) {
    const record = world.images.get(view.idOf(item))
    if (record?.state !== 'pending') return
    record.pollsLeft -= 1
    if (record.pollsLeft > 0) return
    record.state = record.outcome
    finishCopies(world, record)
  },
}

export const describeImages: Operation = (call, world) => describe(call, world, view)

/** The image as EC2 shows it; refuses when there is none. */
export async function needImage(world: World, region: string, id: string): Promise<Node> {
  const answer = await world.upstream
    .ec2(region, 'DescribeImages', { 'ImageId.1': id })
    .catch((error: unknown) => {
      throw error instanceof Refusal && error.code === 'InvalidAMIID.NotFound' ? noSuchImage(id) : error
    })
  const [item] = items(answer['imagesSet'])
  // moto answers with an empty set for one that was deregistered.
  if (!item) throw noSuchImage(id)
  return complete(item, world.images.get(id), world)
}

export function noSuchImage(id: string): Refusal {
  return new Refusal({ code: 'InvalidAMIID.NotFound', message: `The image id '[${id}]' does not exist` })
}

/** What becomes of the snapshots when the image is there. */
function finishCopies(world: World, image: ImageRecord): void {
  for (const id of image.snapshotIds) {
    const snapshot = world.snapshots.get(id)
    if (snapshot?.phase === 'sealed') snapshot.phase = image.state === 'failed' ? 'error' : 'completed'
  }
}

/** What moto writes into every image, whoever owns it. */
const motosOwn = ['kernelId', 'ramdiskId', 'imageOwnerAlias']

function complete(item: Node, record: ImageRecord | undefined, world: World): Node {
  const plain = Object.fromEntries(Object.entries(item).filter(([name]) => !motosOwn.includes(name)))
  const tags = { tagSet: tagSet(tagsIn(item)) }
  if (!record) return publicImage({ ...plain, ...tags })
  const { description: _forgotten, ...rest } = plain
  return {
    ...rest,
    ...tags,
    ...record.shown,
    imageState: record.state,
    imageLocation: `${world.account}/${record.name}`,
    ...(record.state === 'failed' ? { stateReason: failed } : {}),
    ...(record.deprecationTime === undefined ? {} : { deprecationTime: record.deprecationTime }),
  }
}

const failed = { code: 'Client.InternalError', message: 'Client error on copy' }

/** One of those that moto has from the start; it says of each that its disk is 15 GiB. */
function publicImage(item: Node): Node {
  const rootDeviceName = text(item, 'rootDeviceName')
  const snapshotId = text(items(item['blockDeviceMapping'])[0], 'ebs.snapshotId')
  const ebs = { snapshotId, volumeSize: '8', volumeType: 'gp3', deleteOnTermination: 'true' }
  return {
    ...item,
    enaSupport: 'true',
    bootMode: 'uefi-preferred',
    imageOwnerAlias: 'amazon',
    blockDeviceMapping: { item: [{ deviceName: rootDeviceName, ebs }] },
  }
}

function isAmazons(item: Node): boolean {
  return text(item, 'imageOwnerAlias') === 'amazon'
}
