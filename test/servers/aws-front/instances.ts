import type { Operation } from './call.ts'
import { endOfDryRun } from './dry-run.ts'
import { instancesIn, withReservations } from './instance-view.ts'
import { readLaunch } from './launch-request.ts'
import type { LaunchRequest } from './launch-request.ts'
import { createTagsParameters, fingerprint } from './query.ts'
import { Refusal } from './refusal.ts'
import { needSpotRole } from './spot-role.ts'
import { idempotentMismatch } from './tokens.ts'
import { born } from './world.ts'
import type { World } from './world.ts'
import { ec2Answer, items, text } from './xml.ts'
import type { Node } from './xml.ts'

/** A machine that was started through the front. */
export interface InstanceRecord {
  readonly id: string
  readonly region: string
  /** What DescribeInstances shows besides what moto knows, as its elements are named. */
  readonly shown: Node
  readonly clientToken: string
  /** What a power-off from inside does. */
  readonly onShutdown: 'stop' | 'terminate'
  state: 'pending' | 'running' | 'shutting-down' | 'terminated' | 'stopping' | 'stopped'
  /** Describe calls that the state lasts, for one that passes by itself. */
  pollsLeft: number
  /** Why it ends, as EC2 says it. */
  stateReason?: { code: string; message: string }
}

/** Where no machine can be had; what is not given means any. */
export interface NoCapacity {
  readonly instanceType?: string
  readonly zone?: string
  readonly market?: 'spot' | 'on-demand'
}

const tokenLimit = 64
/** https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html says what a token promises; moto ignores it. */
export const runInstances: Operation = async (call, world) => {
  const { parameters, region } = call
  const token = parameters['ClientToken']
  if (token !== undefined && (token.length > tokenLimit || /[^\x20-\x7e]/.test(token)))
    throw new Refusal({
      code: 'InvalidParameterValue',
      message: `Invalid client token: at most ${tokenLimit} ASCII characters`,
    })
  const launch = await readLaunch(parameters, world, region)
  endOfDryRun(call)
  const id = await world.tokens.once({
    scope: `RunInstances ${region}`,
    token,
    fingerprint: fingerprint(parameters),
    mismatch: idempotentMismatch,
    first: () => start(world, region, launch, parameters),
  })
  const [instance] = await instancesIn(world, region, [id])
  const [reservation] = withReservations(instance ? [instance] : [])
  return ec2Answer('RunInstances', reservation ?? {})
}

async function start(
  world: World,
  region: string,
  launch: LaunchRequest,
  parameters: Readonly<Record<string, string>>,
): Promise<string> {
  if (launch.market === 'spot') needSpotRole(world)
  needCapacity(world, launch)
  const answer = await world.upstream.ec2(region, 'RunInstances', launch.forMoto)
  const [made] = items(answer['instancesSet'])
  const id = text(made, 'instanceId') ?? ''
  const interfaces = items(made?.['networkInterfaceSet']).flatMap(
    (each) => text(each, 'networkInterfaceId') ?? [],
  )
  const tags = launch.tags['network-interface']
  if (tags) await world.upstream.ec2(region, 'CreateTags', createTagsParameters(interfaces, tags))
  const pollsLeft = world.settings.polls.instance
  world.instances.set(id, {
    id,
    region,
    clientToken: parameters['ClientToken'] ?? '',
    onShutdown: parameters['InstanceInitiatedShutdownBehavior'] === 'terminate' ? 'terminate' : 'stop',
    state: pollsLeft > 0 ? 'pending' : 'running',
    pollsLeft,
    shown: {
      rootDeviceName: launch.rootDeviceName,
      architecture: launch.architecture,
      metadataOptions: launch.metadataOptions,
    },
  })
  born(world, 'instance', id)
  const { imageId, architecture, rootBytes, userData } = launch
  await world.settings.hypervisor?.start({ id, region, imageId, architecture, rootBytes, userData })
  return id
}

function needCapacity(world: World, launch: LaunchRequest): void {
  const isShort = world.settings.noCapacity.some(
    ({ instanceType, zone, market }) =>
      (instanceType ?? launch.instanceType) === launch.instanceType &&
      (zone ?? launch.zone) === launch.zone &&
      (market ?? launch.market) === launch.market,
  )
  if (!isShort) return
  const message =
    launch.market === 'spot'
      ? 'There is no Spot capacity available that matches your request.'
      : `We currently do not have sufficient ${launch.instanceType} capacity in the Availability Zone you requested (${launch.zone}).`
  throw new Refusal({ code: 'InsufficientInstanceCapacity', status: 500, message })
}
