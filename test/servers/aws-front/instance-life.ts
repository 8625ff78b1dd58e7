import type { Operation } from './call.ts'
import { endOfDryRun } from './dry-run.ts'
import { instancesIn, settle, stateCodes } from './instance-view.ts'
import type { InstanceRecord } from './instances.ts'
import { listOf } from './query.ts'
import { Refusal } from './refusal.ts'
import type { World } from './world.ts'
import { ec2Answer } from './xml.ts'
import type { Node } from './xml.ts'

/** Ends machines over a while; one that is ended already is ended again without complaint, as EC2 does. */
export const terminateInstances: Operation = async (call, world) => {
  const ids = listOf(call.parameters, 'InstanceId')
  if (ids.length === 0)
    throw new Refusal({
      code: 'InvalidParameterCombination',
      message: 'No instances specified',
    })
  await instancesIn(world, call.region, ids)
  endOfDryRun(call)
  const item: Node[] = []
  for (const id of ids) {
    const record = world.instances.get(id)
    if (!record) {
      await world.upstream.ec2(call.region, 'TerminateInstances', { 'InstanceId.1': id })
      continue
    }
    const before = record.state
    await end(world, record, 'terminate', {
      code: 'Client.UserInitiatedShutdown',
      message: 'Client.UserInitiatedShutdown: User initiated shutdown',
    })
    item.push({ instanceId: id, previousState: shown(before), currentState: shown(record.state) })
  }
  return ec2Answer('TerminateInstances', { instancesSet: { item } })
}

/** The machine powers itself off, as after `poweroff` in it: what follows was said when it was started. */
export async function powerOff(world: World, id: string): Promise<void> {
  const record = world.instances.get(id)
  if (!record) throw new Error(`no machine ${id} was started through this front`)
  await end(world, record, record.onShutdown, {
    code: 'Client.InstanceInitiatedShutdown',
    message: 'Client.InstanceInitiatedShutdown: Instance initiated shutdown',
  })
}

/** The spot market takes the machine back. */
export async function interrupt(world: World, id: string): Promise<void> {
  const record = world.instances.get(id)
  if (!record) throw new Error(`no machine ${id} was started through this front`)
  await end(world, record, 'terminate', {
    code: 'Server.SpotInstanceTermination',
    message: 'Server.SpotInstanceTermination: Instance was terminated by a Spot interruption',
  })
}

async function end(
  world: World,
  record: InstanceRecord,
  how: 'stop' | 'terminate',
  stateReason: { code: string; message: string },
): Promise<void> {
  if (record.state === 'terminated' || record.state === 'shutting-down') return
  record.state = how === 'terminate' ? 'shutting-down' : 'stopping'
  record.stateReason = stateReason
  record.pollsLeft = world.settings.polls.instance
  await world.settings.hypervisor?.end(record.id)
  if (record.pollsLeft <= 0) await settle(record, world)
}

function shown(state: InstanceRecord['state']): Node {
  return { code: stateCodes[state], name: state }
}
