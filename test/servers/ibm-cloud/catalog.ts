import { randomUUID } from 'node:crypto'
import type { Operation } from './operation.ts'
import { Refused } from './refusal.ts'
import type { World } from './world.ts'
import { newThing } from './world.ts'

/** Machines by profile, with the architecture that each is for. */
const profiles: Readonly<Record<string, 'amd64' | 's390x'>> = {
  'bx2-2x8': 'amd64',
  'bx2-4x16': 'amd64',
  'cx2-2x4': 'amd64',
  'bz2-4x16': 's390x',
  'mz2-2x16': 's390x',
}

/** What stands in every region from the start: stock images, a VPC with a subnet in each of two zones, a security group. */
export function furnish(world: World): void {
  for (const region of world.settings.regions) {
    for (const [name, operatingSystem] of stockImages) {
      const thing = newThing(world, 'image', region, name, undefined)
      const state = { polls: 0, status: 'available', visibility: 'public', minimumGb: 100 } as const
      world.images.set(thing.id, { ...thing, ...state, reasons: [], operatingSystem, sha256: 'e'.repeat(64) })
    }
    const vpc = `r050-${randomUUID()}`
    for (const number of [1, 2]) {
      const id = `02d7-${randomUUID()}`
      world.subnets.set(id, { id, region, zone: `${region}-${number}`, vpc })
    }
    world.securityGroups.set(`r050-${randomUUID()}`, { region, vpc, sshOpen: true })
  }
}

const stockImages = [
  ['ibm-redhat-9-amd64-1', 'red-9-amd64'],
  ['ibm-redhat-8-s390x-1', 'red-8-s390x-byol'],
] as const

const getSubnet: Operation = {
  action: 'GetSubnet',
  method: 'GET',
  path: /^\/subnets\/([^/]+)$/,
  run({ words, region }, world) {
    const subnet = world.subnets.get(words[0]!)
    if (subnet?.region !== region) throw new Refused(404, 'subnet_not_found', `Subnet ${words[0]} not found.`)
    const { id, zone, vpc } = subnet
    const body = { id, name: `subnet-${zone}`, status: 'available', zone: { name: zone }, vpc: { id: vpc } }
    return { status: 200, body: { ...body, available_ipv4_address_count: 251 } }
  },
}

const getProfile: Operation = {
  action: 'GetInstanceProfile',
  method: 'GET',
  path: /^\/instance\/profiles\/([^/]+)$/,
  run: ({ words }) => ({ status: 200, body: profileNamed(words[0]!) }),
}

/** https://cloud.ibm.com/apidocs/vpc#get-security-group */
const getSecurityGroup: Operation = {
  action: 'GetSecurityGroup',
  method: 'GET',
  path: /^\/security_groups\/([^/]+)$/,
  run({ words, region }, world) {
    const id = words[0]!
    const group = world.securityGroups.get(id)
    if (group?.region !== region)
      throw new Refused(404, 'security_group_not_found', `Security group ${id} not found.`)
    const outbound = { direction: 'outbound', protocol: 'icmp_tcp_udp', remote: { cidr_block: '0.0.0.0/0' } }
    const ssh = { direction: 'inbound', protocol: 'tcp', port_min: 22, port_max: 22 }
    const inbound = group.sshOpen ? [{ ...ssh, remote: { cidr_block: '0.0.0.0/0' } }] : []
    return {
      status: 200,
      body: { id, name: 'factory', vpc: { id: group.vpc }, rules: [outbound, ...inbound] },
    }
  },
}

export const catalogOperations = [getSubnet, getProfile, getSecurityGroup]

export function architectureOfProfile(name: string): 'amd64' | 's390x' {
  const found = profiles[name]
  if (!found) throw new Refused(400, 'bad_field', `there is no profile ${name}`)
  return found
}

function profileNamed(name: string): object {
  const value = profiles[name]
  if (!value) throw new Refused(404, 'instance_profile_not_found', `Instance profile ${name} not found.`)
  return {
    name,
    family: 'balanced',
    vcpu_architecture: { type: 'fixed', value },
    resource_type: 'instance_profile',
  }
}
