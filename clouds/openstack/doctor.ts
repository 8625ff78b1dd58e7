import { type ArchitectureName, architectureNames } from '#arch/index.ts'
import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import { lookAtFiles, toldOfClock, toldOfToken } from './doctor/credentials.ts'
import { lookAtImages } from './doctor/images.ts'
import { lookAtMachines } from './doctor/machines.ts'
import { lookAtNetwork } from './doctor/network.ts'
import { lookAtQuotas } from './doctor/quotas.ts'
import type { Identity } from './identity.ts'
import type { OpenstackSettings } from './settings.ts'
import type { Token } from './token.ts'

/** Looks at everything in the project that a release would stumble over. It makes nothing and rents nothing. */
export async function* doctor(settings: OpenstackSettings, ctx: Context): AsyncIterable<Finding> {
  const { session, regions } = settings
  let token: Token
  let identity: Identity
  try {
    token = await session.token(ctx)
    identity = await session.identity()
  } catch (error) {
    ctx.signal.throwIfAborted()
    const { message, hint } = asFactoryError(error)
    yield { severity: 'error', subject: 'token', message, ...(hint === undefined ? {} : { hint }) }
    return
  }
  yield toldOfToken(token, identity)
  yield* toldOfClock(token)
  yield* lookAtFiles(identity)
  for (const region of regions) yield* lookAtImages(settings, region, token.roles, ctx)
  const rented = rentedArchitectures(settings)
  if (rented.length === 0) return
  const { findings, flavors } = await lookAtMachines(settings, rented, ctx)
  yield* findings
  yield* lookAtNetwork(settings, ctx)
  yield* lookAtQuotas(settings, flavors, ctx)
}

/** Those that the configuration wants machines of. */
function rentedArchitectures({ configuration }: OpenstackSettings): ArchitectureName[] {
  return architectureNames.filter((arch) => configuration.base[arch] ?? configuration.flavors[arch])
}
