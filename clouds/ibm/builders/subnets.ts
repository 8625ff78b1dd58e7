import { z } from 'zod'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { forRegion } from '../config.ts'
import type { IbmSettings } from '../settings.ts'

const subnet = z.object({
  id: z.string(),
  name: z.string().default(''),
  zone: z.object({ name: z.string() }),
  vpc: z.object({ id: z.string() }),
  available_ipv4_address_count: z.number().optional(),
})

/** Where a machine can be: a subnet is in one zone and one VPC. */
export interface Place {
  readonly subnet: string
  readonly zone: string
  readonly vpc: string
  readonly freeAddresses?: number
}

/** The places that the configuration names in a region, the preferred one first; throws when one is not there. */
export async function placesIn(
  settings: IbmSettings,
  region: string,
  ctx: Pick<Context, 'signal'>,
): Promise<Place[]> {
  const { configuration, name } = settings
  const ids = forRegion<string>(configuration, configuration.subnets, region)
  if (ids.length === 0) throw noSubnets(name, region)
  return await Promise.all(ids.map((id) => placeOf(settings, region, id, ctx)))
}

async function placeOf(
  { call, name }: IbmSettings,
  region: string,
  id: string,
  ctx: Pick<Context, 'signal'>,
): Promise<Place> {
  const what = `looking at the subnet ${id}`
  const path = `/subnets/${encodeURIComponent(id)}`
  const found = await call({ what, service: 'vpc', region, path, answer: subnet, accept: [404] }, ctx)
  if (found) {
    const { zone, vpc, available_ipv4_address_count: free } = found
    return {
      subnet: id,
      zone: zone.name,
      vpc: vpc.id,
      ...(free === undefined ? {} : { freeAddresses: free }),
    }
  }
  throw new FactoryError({
    code: 'ibm-subnet-missing',
    message: `clouds.${name}.subnets names ${id}, and there is no such subnet in ${region}`,
    hint: `See which there are: ibmcloud target -r ${region}; ibmcloud is subnets`,
    class: 'user',
  })
}

function noSubnets(name: string, region: string): FactoryError {
  return new FactoryError({
    code: 'ibm-subnet-missing',
    message: `clouds.${name}.subnets names no subnet in ${region}, and machines are rented into one`,
    hint: `Name one a zone: ibmcloud target -r ${region}; ibmcloud is subnets`,
    class: 'user',
  })
}
