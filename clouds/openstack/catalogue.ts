import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import type { OpenstackSettings } from './settings.ts'
import type { Catalogue } from './token.ts'

export type ServiceName = 'image' | 'compute' | 'volume' | 'network'

/** What catalogues call a service, the official name first: https://service-types.openstack.org/ */
const types: Readonly<Record<ServiceName, readonly string[]>> = {
  image: ['image'],
  compute: ['compute'],
  volume: ['block-storage', 'block-store', 'volumev3'],
  network: ['network'],
}

/** The address of a service with its version, without a slash at its end. Throws when the catalogue has none. */
export function endpointOf(
  catalogue: Catalogue,
  service: ServiceName,
  region: string,
  interfaceName: string,
  source: string,
): string {
  const url = findEndpoint(catalogue, service, region, interfaceName)
  if (url !== undefined) return versioned(service, url)
  const regions = new Set(
    catalogue.flatMap(({ endpoints }) => endpoints.flatMap((each) => each.region_id ?? each.region ?? [])),
  )
  const has = regions.has(region)
    ? `no ${interfaceName} address of a service "${types[service][0]}" in ${region}`
    : `no region ${region}; there are: ${[...regions].join(', ') || 'none'}`
  throw new FactoryError({
    code: 'openstack-no-service',
    message: `the catalogue for ${source} has ${has}`,
    hint: 'Correct `region` and `interface` of the cloud in the configuration; the catalogue is shown by: openstack catalog list',
    class: 'user',
  })
}

/** Whether the catalogue has a service. */
export function hasService(
  catalogue: Catalogue,
  service: ServiceName,
  region: string,
  interfaceName: string,
): boolean {
  return findEndpoint(catalogue, service, region, interfaceName) !== undefined
}

/** The same for the catalogue and the address that the factory uses. */
export async function offersService(
  { session }: Pick<OpenstackSettings, 'session'>,
  service: ServiceName,
  region: string,
  ctx: Context,
): Promise<boolean> {
  const { catalogue } = await session.token(ctx)
  const { interface: which = 'public' } = await session.identity()
  return hasService(catalogue, service, region, which)
}

/**
 * The versions that are spoken: without them Nova and Cinder take the oldest, and another one each release would answer in
 * other words. These are in every release since Queens (2018).
 */
export function versionHeaders(service: ServiceName): Record<string, string> {
  if (service === 'compute') return { 'openstack-api-version': 'compute 2.60' }
  if (service === 'volume') return { 'openstack-api-version': 'volume 3.50' }
  return {}
}

function findEndpoint(
  catalogue: Catalogue,
  service: ServiceName,
  region: string,
  interfaceName: string,
): string | undefined {
  for (const type of types[service]) {
    for (const { endpoints } of catalogue.filter((each) => each.type === type)) {
      const found = endpoints.find(
        (each) => (each.region_id ?? each.region) === region && each.interface === interfaceName,
      )
      if (found) return found.url
    }
  }
  return undefined
}

/** Glance and Neutron stand in catalogues with and without their version, the others always with it. */
function versioned(service: ServiceName, url: string): string {
  const plain = url.replace(/\/+$/, '')
  if (service === 'image') return `${plain.replace(/\/v2(\.\d+)?$/, '')}/v2`
  if (service === 'network') return `${plain.replace(/\/v2\.0$/, '')}/v2.0`
  return plain
}
