import {
  type Image as Ami,
  DisableImageDeprecationCommand,
  EnableImageDeprecationCommand,
} from '@aws-sdk/client-ec2'
import { isToBeUsed } from '#clouds/image-mark.ts'
import type { ImageMark } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { parseDuration } from '#src/units.ts'
import { call } from '../call.ts'
import type { RegionClients } from '../clients.ts'
import type { AwsConfiguration } from '../config.ts'
import { changePermissions } from './sharing.ts'

/** AWS takes no time in the past and rounds to the minute. */
const soonMs = 2 * 60_000
/** AWS deprecates public images after two years, whatever it was told; a day for leap years and rounding. */
const publicForMs = 729 * 86_400_000

type Ends = Pick<AwsConfiguration, 'deprecateAfter' | 'share'>

/**
 * Whether an image is deprecated, or is not, as its mark wants it: `promoted` and `previous` never are, `candidate` is
 * when `deprecateAfter` says so and not earlier, the others are from now on.
 */
export function isDeprecatedAs(mark: ImageMark, ami: Ami, ends: Ends, now: number): boolean {
  const at = deprecationOf(ami)
  if (!isToBeUsed(mark)) return at !== undefined && at <= now + 2 * soonMs
  if (at === undefined || cannotBeLater(ami, at, ends)) return true
  const end = configuredEnd(ami, ends)
  return mark === 'candidate' && end !== undefined && (at >= end - soonMs || end <= now)
}

/** Deprecates an image, or clears that, as its mark wants it. */
export async function deprecateAs(
  mark: ImageMark,
  clients: RegionClients,
  ami: Ami,
  ends: Ends,
  ctx: Context,
): Promise<void> {
  const now = ctx.now()
  const id = ami.ImageId!
  const isRight = isDeprecatedAs(mark, ami, ends, now)
  if (!isToBeUsed(mark)) {
    if (!isRight) await deprecateAt(clients, id, now + soonMs, ctx)
    return
  }
  if (!isRight) await clearDeprecation(clients, ami, ctx)
  const hasNone = !isRight || deprecationOf(ami) === undefined
  const end = configuredEnd(ami, ends)
  if (mark === 'candidate' && hasNone && end !== undefined && end > now + soonMs)
    await deprecateAt(clients, id, end, ctx)
}

/** From that time on (milliseconds since the epoch) an image is deprecated. */
export async function deprecateAt(
  { ec2, region }: RegionClients,
  ImageId: string,
  at: number,
  ctx: Context,
): Promise<void> {
  const DeprecateAt = new Date(at)
  await call(`deprecating ${ImageId}`, region, ctx, (options) =>
    ec2.send(new EnableImageDeprecationCommand({ ImageId, DeprecateAt }), options),
  )
}

/** https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ami-deprecate.html: of a public image only while it is private. */
async function clearDeprecation(clients: RegionClients, ami: Ami, ctx: Context): Promise<void> {
  const { ec2, region } = clients
  const ImageId = ami.ImageId!
  const everybody = ami.Public === true ? [{ Group: 'all' as const }] : []
  await changePermissions(clients, ImageId, { Remove: everybody }, ctx)
  try {
    await call(`clearing the deprecation of ${ImageId}`, region, ctx, (options) =>
      ec2.send(new DisableImageDeprecationCommand({ ImageId }), options),
    )
  } finally {
    await changePermissions(clients, ImageId, { Add: everybody }, ctx)
  }
}

/** A public image has an end in any case; one that people made public by hand is not made private for a later one. */
function cannotBeLater(ami: Ami, at: number, { share }: Ends): boolean {
  return ami.Public === true && (!share.public || at >= createdAt(ami) + publicForMs)
}

function configuredEnd(ami: Ami, { deprecateAfter }: Ends): number | undefined {
  return deprecateAfter === undefined ? undefined : createdAt(ami) + parseDuration(deprecateAfter)!
}

function deprecationOf({ DeprecationTime }: Ami): number | undefined {
  return DeprecationTime === undefined ? undefined : Date.parse(DeprecationTime)
}

function createdAt({ CreationDate = '' }: Ami): number {
  return Date.parse(CreationDate)
}
