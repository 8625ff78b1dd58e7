import { DescribeImagesCommand } from '@aws-sdk/client-ec2'
import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import { call } from '../call.ts'
import { awsErrorName } from '../failures.ts'
import type { AwsSettings } from '../settings.ts'

/** Regions that images are copied to, and which of all regions answer. */
export interface RegionsLookedAt {
  findings: Finding[]
  /** The builders' own first. Of the others nothing more can be known. */
  answering: string[]
}

/** Whether each region of `copyTo` is there and is enabled for this account, which was heard in the builders' region. */
export async function lookAtRegions(settings: AwsSettings, ctx: Context): Promise<RegionsLookedAt> {
  const { region: main, copyTo } = settings.configuration
  const looked: RegionsLookedAt = { findings: [], answering: [main] }
  for (const region of copyTo) {
    const subject = `copies in ${region}`
    const { ec2 } = settings.clients(region)
    try {
      await call('looking at our images', region, ctx, (options) =>
        ec2.send(new DescribeImagesCommand({ Owners: ['self'], MaxResults: 5 }), options),
      )
      looked.findings.push({ severity: 'ok', subject, message: 'the region answers' })
    } catch (error) {
      ctx.signal.throwIfAborted()
      const failure = asFactoryError(error)
      // Rights that are missing are told elsewhere, all at once.
      if (failure.code !== 'aws-permission') {
        const hint = hintFor(settings, region, awsErrorName(error), failure.code) ?? failure.hint
        const told = hint === undefined ? {} : { hint }
        looked.findings.push({ severity: 'error', subject, message: failure.message, ...told })
        continue
      }
    }
    looked.answering.push(region)
  }
  return looked
}

/** https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html: a region that is not enabled knows nobody of the account. */
function hintFor(settings: AwsSettings, region: string, name: string, code: string): string | undefined {
  const key = `clouds.${settings.name}.copyTo`
  if (/^(AuthFailure|OptInRequired|UnrecognizedClientException|InvalidClientTokenId)$/.test(name))
    return `The account is known in ${settings.configuration.region}, so ${region} is probably not enabled for it: aws account enable-region --region-name ${region} (it takes some minutes); or take it out of ${key}.`
  if (code !== 'aws-not-reachable') return undefined
  return `Is there such a region? aws ec2 describe-regions --region ${settings.configuration.region} --all-regions --query 'Regions[].[RegionName,OptInStatus]' --output text; correct ${key}, or look at the network.`
}
