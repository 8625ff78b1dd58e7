import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import { lookAtAuthorization } from './doctor/authorization.ts'
import { lookAtBucket } from './doctor/bucket.ts'
import { lookAtEndOfService } from './doctor/end-of-service.ts'
import { type Identity, identityOf, lookAtFiles, lookAtGroup } from './doctor/identity.ts'
import { lookAtImages } from './doctor/images.ts'
import { lookAtMachines } from './doctor/machines.ts'
import type { IbmSettings } from './settings.ts'

/** Looks at everything in the account that a release would stumble over. It rents nothing and leaves nothing. */
export async function* doctor(settings: IbmSettings, ctx: Context): AsyncIterable<Finding> {
  yield* lookAtEndOfService(settings, ctx.now())
  yield* lookAtFiles(settings, ctx)
  let identity: Identity
  try {
    identity = await identityOf(settings, ctx)
  } catch (error) {
    ctx.signal.throwIfAborted()
    const { message, hint } = asFactoryError(error)
    yield { severity: 'error', subject: 'API key', message, ...(hint === undefined ? {} : { hint }) }
    yield* lookAtBucket(settings, ctx)
    return
  }
  const { account, keyName, iamId } = identity
  yield { severity: 'ok', subject: 'API key', message: `${keyName} of ${iamId} in the account ${account}` }
  yield await lookAtGroup(settings, ctx)
  yield* lookAtBucket(settings, ctx)
  if (settings.configuration.bucket !== undefined) yield await lookAtAuthorization(settings, account, ctx)
  yield* lookAtImages(settings, ctx)
  yield* lookAtMachines(settings, ctx)
}
