import { z } from 'zod'
import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { requestFor } from '../builders/freeze.ts'
import { placesIn } from '../builders/subnets.ts'
import { forRegion, ibmArchitectures } from '../config.ts'
import type { IbmSettings } from '../settings.ts'
import { finding } from './finding.ts'

const group = z.object({
  vpc: z.object({ id: z.string() }),
  rules: z.array(
    z.object({
      direction: z.string(),
      protocol: z.string(),
      port_min: z.number().optional(),
      port_max: z.number().optional(),
    }),
  ),
})

const sshPort = 22

/** Base images, profiles and subnets of the machines that builds would get, and whether SSH gets in. */
export async function* lookAtMachines(settings: IbmSettings, ctx: Context): AsyncIterable<Finding> {
  const { configuration } = settings
  const { region } = configuration
  const archs = ibmArchitectures.filter((each) => configuration.base[each])
  for (const arch of archs) {
    yield await finding(`${arch} builders in ${region}`, ctx, async () => {
      const request = await requestFor(settings, { arch, dataBytes: 0 }, region, ctx)
      const [way] = request.attempts
      const message = `${way!.profile} in ${way!.zone} from ${request.imageId}, ${request.attempts.length} ways in all`
      return { severity: 'ok', message }
    })
  }
  if (archs.length === 0) return
  yield await finding(`network in ${region}`, ctx, async () => await lookAtNetwork(settings, region, ctx))
}

async function lookAtNetwork(
  settings: IbmSettings,
  region: string,
  ctx: Context,
): Promise<Omit<Finding, 'subject'>> {
  const { configuration, name } = settings
  const places = await placesIn(settings, region, ctx)
  const full = places.filter(({ freeAddresses }) => freeAddresses === 0)
  if (full.length > 0)
    return {
      severity: 'warning',
      message: `${full.map(({ subnet }) => subnet).join(', ')} has no free addresses`,
    }
  const ids = forRegion<string>(configuration, configuration.securityGroups, region)
  if (ids.length === 0) {
    const message =
      'machines get the default security group of their VPC, which lets in only machines that are in it too'
    const hint = `Name one that lets SSH in from here under clouds.${name}.securityGroups.`
    return { severity: 'warning', message, hint }
  }
  const groups = await Promise.all(ids.map((id) => groupWith(settings, region, id, ctx)))
  const lacking = ids.filter((_, index) => groups[index] === undefined)
  if (lacking.length > 0) {
    const hint = `See which there are: ibmcloud target -r ${region}; ibmcloud is security-groups`
    return { severity: 'error', message: `${region} has no security group ${lacking.join(' and no ')}`, hint }
  }
  const vpcs = new Set([...places.map(({ vpc }) => vpc), ...groups.map((each) => each!.vpc.id)])
  if (vpcs.size > 1) {
    const hint = 'Name subnets and security groups of one VPC.'
    return { severity: 'error', message: `subnets and security groups are of ${vpcs.size} VPCs`, hint }
  }
  if (groups.some((each) => each!.rules.some(letsSshIn)))
    return { severity: 'ok', message: `${places.length} subnets, and a rule that lets SSH in` }
  const hint = `ibmcloud is security-group-rule-add ${ids[0]} inbound tcp --port-min 22 --port-max 22 --remote ADDRESS`
  return { severity: 'error', message: `no rule of ${ids.join(', ')} lets SSH in`, hint }
}

async function groupWith(settings: IbmSettings, region: string, id: string, ctx: Context) {
  const what = `looking at the security group ${id}`
  const path = `/security_groups/${encodeURIComponent(id)}`
  return await settings.call({ what, service: 'vpc', region, path, answer: group, accept: [404] }, ctx)
}

/** From where is not asked: only whoever knows where the factory runs could tell. */
function letsSshIn({
  direction,
  protocol,
  port_min: from = 1,
  port_max: to = 65_535,
}: z.infer<typeof group>['rules'][number]): boolean {
  const isTcp = /^(tcp|all|any|icmp_tcp_udp)$/.test(protocol)
  return direction === 'inbound' && isTcp && from <= sshPort && sshPort <= to
}
