import { z } from 'zod'
import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { externalNetwork, machineNetworks } from '../builders/networks.ts'
import { everyItem } from '../pages.ts'
import type { OpenstackSettings } from '../settings.ts'
import { type Look, finding, ok } from './finding.ts'

const rule = z.object({
  direction: z.string(),
  protocol: z.string().nullish(),
  port_range_min: z.number().nullish(),
  port_range_max: z.number().nullish(),
  remote_group_id: z.string().nullish(),
})
const group = z.object({ id: z.string(), name: z.string(), security_group_rules: z.array(rule).default([]) })
const sshPort = 22

/** Whether machines get to a network, and SSH to them. */
export async function* lookAtNetwork(settings: OpenstackSettings, ctx: Context): AsyncIterable<Finding> {
  const { floatingNetwork } = settings.configuration
  yield await finding('networks', async () => {
    const networks = await machineNetworks(settings, ctx)
    return ok(networks.map(({ name, id }) => `${name} (${id})`).join(', '))
  })
  if (floatingNetwork !== undefined) {
    yield await finding('floating IPs', async () =>
      ok(`from ${(await externalNetwork(settings, floatingNetwork, ctx)).name}`),
    )
  }
  yield await finding('security groups', () => lookAtGroups(settings, ctx))
}

async function lookAtGroups(settings: OpenstackSettings, ctx: Context): Promise<Look> {
  const { region, securityGroups } = settings.configuration
  // What Nova takes when none is named.
  const wanted = securityGroups.length === 0 ? ['default'] : securityGroups
  const what = 'looking at security groups'
  const listing = {
    service: 'network',
    region,
    what,
    path: '/security-groups',
    collection: 'security_groups',
  } as const
  const all = await everyItem(settings, { ...listing, item: group }, ctx)
  const found = wanted.map((word) => ({
    word,
    groups: all.filter(({ id, name }) => id === word || name === word),
  }))
  const missing = found.filter(({ groups }) => groups.length === 0).map(({ word }) => word)
  const several = found.filter(({ groups }) => groups.length > 1).map(({ word }) => word)
  if (missing.length > 0) {
    const message = `there is no ${missing.join(' and no ')}; there are: ${all.map(({ name }) => name).join(', ')}`
    return { severity: 'error', message, hint: 'Correct `securityGroups` of the cloud in the configuration.' }
  }
  if (several.length > 0) {
    const message = `there are several called ${several.join(' and ')}`
    return { severity: 'error', message, hint: 'Name them by their ids in `securityGroups`.' }
  }
  if (
    found.some(({ groups }) =>
      groups.some(({ security_group_rules }) => security_group_rules.some(letsSshIn)),
    )
  ) {
    return ok(`${wanted.join(', ')} let SSH in`)
  }
  const message = `no rule of ${wanted.join(', ')} lets SSH in from outside the group`
  const hint = `openstack security group rule create --protocol tcp --dst-port 22 --remote-ip YOUR-ADDRESS/32 ${wanted[0]}`
  return { severity: 'warning', message, hint }
}

function letsSshIn({
  direction,
  protocol,
  port_range_min,
  port_range_max,
  remote_group_id,
}: z.infer<typeof rule>): boolean {
  const isTcp = protocol == null || protocol === 'tcp' || protocol === '6' || protocol === 'any'
  const isPort =
    port_range_min == null || (port_range_min <= sshPort && sshPort <= (port_range_max ?? port_range_min))
  return direction === 'ingress' && isTcp && isPort && remote_group_id == null
}
