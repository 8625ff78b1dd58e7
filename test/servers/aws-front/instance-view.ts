import type { Operation } from './call.ts'
import { describe } from './describe.ts'
import type { View } from './describe.ts'
import type { InstanceRecord } from './instances.ts'
import { Refusal } from './refusal.ts'
import type { World } from './world.ts'
import { items, tagSet, tagsIn, text } from './xml.ts'
import type { Node } from './xml.ts'

export const stateCodes = {
  pending: '0',
  running: '16',
  'shutting-down': '32',
  terminated: '48',
  stopping: '64',
  stopped: '80',
} as const

const view: View = {
  action: 'DescribeInstances',
  set: 'reservationSet',
  idParameter: 'InstanceId',
  kind: 'instance',
  pageLimits: [5, 1000],
  notFound: noSuchInstance,
  idOf: (item) => text(item, 'instanceId') ?? '',
  filters: {
    architecture: 'architecture',
    'availability-zone': 'placement.availabilityZone',
    'client-token': 'clientToken',
    'dns-name': 'dnsName',
    'image-id': 'imageId',
    'instance-id': 'instanceId',
    'instance-lifecycle': 'instanceLifecycle',
    'instance-state-code': 'instanceState.code',
    'instance-state-name': 'instanceState.name',
    'instance-type': 'instanceType',
    'ip-address': 'ipAddress',
    'key-name': 'keyName',
    'launch-time': 'launchTime',
    'owner-id': 'ownerId',
    'private-ip-address': 'privateIpAddress',
    'reservation-id': 'reservationId',
    'root-device-name': 'rootDeviceName',
    'subnet-id': 'subnetId',
    'vpc-id': 'vpcId',
  },
  list: (call, world) => upstreamInstances(world, call.region),
  complete: (item, world) => complete(item, world.instances.get(view.idOf(item))),
  async seen(item, world) {
    const record = world.instances.get(view.idOf(item))
    if (record) await goOn(record, world)
  },
  wrap: withReservations,
}

export const describeInstances: Operation = (call, world) => describe(call, world, view)

export function noSuchInstance(id: string): Refusal {
  return new Refusal({
    code: 'InvalidInstanceID.NotFound',
    message: `The instance ID '${id}' does not exist`,
  })
}

/** The machines as EC2 shows them; refuses when one does not exist. */
export async function instancesIn(world: World, region: string, ids: readonly string[]): Promise<Node[]> {
  const all = await upstreamInstances(world, region)
  return ids.map((id) => {
    const item = all.find((each) => view.idOf(each) === id)
    if (!item) throw noSuchInstance(id)
    return complete(item, world.instances.get(id))
  })
}

/** The reservations that the machines belong to, each with those of them that are given. */
export function withReservations(instances: readonly Node[]): Node[] {
  const byId = Map.groupBy(instances, (instance) => text(instance, 'reservationId') ?? '')
  return [...byId].map(([reservationId, members]) => ({
    reservationId,
    ownerId: text(members[0], 'ownerId') ?? '',
    groupSet: '',
    instancesSet: {
      item: members.map(({ reservationId: _reservation, ownerId: _owner, ...instance }) => instance),
    },
  }))
}

/** The next state, once the present one was shown often enough. moto's machine ends only then, and its disks with it. */
async function goOn(record: InstanceRecord, world: World): Promise<void> {
  if (!['pending', 'shutting-down', 'stopping'].includes(record.state)) return
  record.pollsLeft -= 1
  if (record.pollsLeft <= 0) await settle(record, world)
}

export async function settle(record: InstanceRecord, world: World): Promise<void> {
  const { id, region, state } = record
  if (state === 'pending') record.state = 'running'
  if (state === 'stopping') {
    record.state = 'stopped'
    await world.upstream.ec2(region, 'StopInstances', { 'InstanceId.1': id })
  }
  if (state === 'shutting-down') {
    record.state = 'terminated'
    await world.upstream.ec2(region, 'TerminateInstances', { 'InstanceId.1': id })
  }
}

/** moto gives a hundred reservations at a time unless it is asked for more. */
async function upstreamInstances(world: World, region: string): Promise<Node[]> {
  const answer = await world.upstream.ec2(region, 'DescribeInstances', { MaxResults: '100000' })
  return items(answer['reservationSet']).flatMap((reservation) =>
    items(reservation['instancesSet']).map((instance) => ({
      ...instance,
      reservationId: text(reservation, 'reservationId'),
      ownerId: text(reservation, 'ownerId'),
    })),
  )
}

const ofLiving = [
  'ipAddress',
  'privateIpAddress',
  'subnetId',
  'vpcId',
  'networkInterfaceSet',
  'blockDeviceMapping',
]

function complete(item: Node, record: InstanceRecord | undefined): Node {
  const { clientToken: _invented, kernelId: _none, ...plain } = item
  const own = { ...plain, tagSet: tagSet(tagsIn(item)) }
  if (!record) return own
  const { state, stateReason, clientToken, shown } = record
  const kept = Object.entries(own).filter(([name]) => state !== 'terminated' || !ofLiving.includes(name))
  return {
    ...Object.fromEntries(kept),
    ...shown,
    clientToken,
    instanceState: { code: stateCodes[state], name: state },
    reason: stateReason?.message ?? '',
    stateReason: stateReason === undefined ? undefined : { ...stateReason },
  }
}
