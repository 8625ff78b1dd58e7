import { cloudConfigurations, openCloud } from '#clouds/index.ts'
import type { Cloud } from '#clouds/types.ts'
import { openBuilder } from '#src/builder/session.ts'
import type { BuilderLogin, BuilderRef } from '#src/builder/types.ts'
import type { Context } from '#src/context.ts'
import { diskOf, virtualBytesOf } from './cloud-disk.ts'
import type { CloudAccount } from './run.ts'
import { type Props, type Scene, builderSource, imageDestination } from './scene.ts'
import { openScriptedBuilder, scriptedDisk } from './scripted-builder.ts'
import { scriptedAddress, scriptedCloud } from './scripted-cloud.ts'

/** So much quicker than at a cloud comes one look at a double after the other. */
const haste = 20
const loginLimitMs = 60_000

/**
 * Machines and images are the real adapter's; only what happens on a machine is scripted, and its disk stands in the ledger.
 * The images of one that takes none go to the scripted cloud, and boot there.
 */
export async function cloudScene({ options, ledger, points }: Props, account: CloudAccount): Promise<Scene> {
  const { kind, owner, format, settings } = account
  const configuration = cloudConfigurations[kind].parse(account.configuration)
  const stateDirectory = `${options.directory}/state`
  const cloud = await openCloud(builderSource(account), configuration, { owner, stateDirectory, ...settings })
  const clouds = new Map([[cloud.name, hastened(cloud)]])
  if (!cloud.images) {
    clouds.set(imageDestination, scriptedCloud(imageDestination, ledger, points, options.maxBuilders))
  }
  return {
    clouds,
    disk: scriptedDisk(virtualBytesOf(format)),
    async openBuilder(ref, login, ctx) {
      if (ref.address.host !== scriptedAddress) {
        const identity = await answerOf(account, ref, login, ctx)
        const { arch, leaseId: lease } = ref
        const at = Date.now()
        const machine = { lease, cloud: cloud.name, arch, purpose: 'any', rentedAt: at, endsAt: at }
        if (!ledger.standing(lease)) ledger.rent(machine, identity)
      }
      return openScriptedBuilder(ref, ledger, points, (identity) => diskOf(identity, format))
    },
  }
}

/** What a machine says of itself; throws when it does not answer. */
async function answerOf(
  { machines }: CloudAccount,
  ref: BuilderRef,
  login: BuilderLogin,
  ctx: Context,
): Promise<string> {
  if (machines === undefined) {
    await using builder = await openBuilder(ref, login, ctx, { readyLimitMs: loginLimitMs })
    await builder.exec(['true'])
    return ''
  }
  const answer = await fetch(`${machines}/${ref.machine}`)
  if (!answer.ok) throw new Error(`${ref.machine} does not answer`)
  return await answer.text()
}

/** The cloud with every wait of its own shortened. */
function hastened(cloud: Cloud): Cloud {
  const { builders, images } = cloud
  return {
    ...cloud,
    ...(builders ? { builders: hastenedPart(builders) } : {}),
    ...(images ? { images: hastenedPart(images) } : {}),
  }
}

function hastenedPart<Part extends object>(part: Part): Part {
  const members = Object.entries(part).map(([name, member]) => {
    if (typeof member !== 'function') return [name, member]
    return [name, (...words: unknown[]) => member(...words.map(hastenedContext))]
  })
  return Object.fromEntries(members) as Part
}

function hastenedContext(word: unknown): unknown {
  const { sleep } = (word ?? {}) as Partial<Context>
  return sleep ? { ...(word as Context), sleep: (ms: number) => sleep(ms / haste) } : word
}
