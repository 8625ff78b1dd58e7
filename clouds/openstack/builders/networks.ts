import { z } from 'zod'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { everyItem } from '../pages.ts'
import type { OpenstackSettings } from '../settings.ts'

const network = z.object({
  id: z.string(),
  name: z.string(),
  'router:external': z.boolean().optional(),
})

export type Network = z.infer<typeof network>

/** All networks that the project may use or see. */
export async function everyNetwork(settings: OpenstackSettings, ctx: Context): Promise<Network[]> {
  const { region } = settings.configuration
  const what = 'looking at networks'
  const listing = { service: 'network', region, what, path: '/networks', collection: 'networks' } as const
  return await everyItem(settings, { ...listing, item: network }, ctx)
}

/** The networks of machines: those of the configuration, else the only one that there is. */
export async function machineNetworks(settings: OpenstackSettings, ctx: Context): Promise<Network[]> {
  const { name, configuration } = settings
  const all = await everyNetwork(settings, ctx)
  const key = `clouds.${name}.networks`
  if (configuration.networks.length > 0) return configuration.networks.map((word) => one(all, word, key))
  const own = all.filter((each) => each['router:external'] !== true)
  if (own.length === 1) return own
  throw refused(`${key} is not in the configuration, and the project has ${own.length} networks`, own)
}

/** The names of the configured networks in their order, as Nova calls them; none where one or no network is configured. */
export async function networkOrder(settings: OpenstackSettings, ctx: Context): Promise<string[]> {
  if (settings.configuration.networks.length < 2) return []
  return (await machineNetworks(settings, ctx)).map(({ name }) => name)
}

/** The network that floating IPs come from. */
export async function externalNetwork(
  settings: OpenstackSettings,
  word: string,
  ctx: Context,
): Promise<Network> {
  const all = await everyNetwork(settings, ctx)
  const key = `clouds.${settings.name}.floatingNetwork`
  const external = all.filter((each) => each['router:external'] === true)
  return one(external, word, key)
}

function one(all: readonly Network[], word: string, key: string): Network {
  const byId = all.find(({ id }) => id === word)
  const named = byId ? [byId] : all.filter(({ name }) => name === word)
  const [found] = named
  if (found && named.length === 1) return found
  throw refused(
    `${key} names ${word}, and there ${found ? 'are several networks' : 'is no network'} of that name`,
    all,
  )
}

function refused(message: string, all: readonly Network[]): FactoryError {
  const known = all.map(({ id, name }) => `${name} (${id})`).join(', ')
  return new FactoryError({
    code: 'openstack-network',
    message,
    hint: `Name one of these, by its id where a name is not enough: ${known || 'none; openstack network create'}.`,
    class: 'user',
  })
}
