import type { z } from 'zod'
import { parseDuration } from '#src/units.ts'
import type { AwsConfiguration } from './config.ts'
import { partitionOf } from './partition.ts'

/** A day under the two years from its making that AWS takes for a public image: one that is copied is some hours old. */
const latestForPublic = '729d'

/** Tells zod of every setting that another one makes impossible. */
export function refuseContradictions(configuration: AwsConfiguration, found: z.RefinementCtx): void {
  const refuse = (path: (string | number)[], message: string) =>
    found.addIssue({ code: 'custom', path, message })
  const { method, bucket, region, copyTo, share, deprecateAfter } = configuration
  if (method === 's3' && bucket === undefined) {
    refuse(['bucket'], 'is missing: `method: s3` needs the name of a bucket in `region`')
  }
  for (const [index, copy] of copyTo.entries()) {
    const [here, there] = [partitionOf(region), partitionOf(copy)]
    if (here === there) continue
    refuse(['copyTo', index], `is in ${there} and ${region} in ${here}: no image can be copied between them`)
  }
  if (share.public && parseDuration(deprecateAfter ?? '0s')! > parseDuration(latestForPublic)!) {
    const rule = `is too long for public images, at most ${latestForPublic}: AWS deprecates them after two years`
    refuse(['deprecateAfter'], rule)
  }
  refuseForeignRegions(configuration, found)
}

function refuseForeignRegions(configuration: AwsConfiguration, found: z.RefinementCtx): void {
  const regions = [configuration.region, ...configuration.copyTo]
  const message = `is neither \`region\` nor in \`copyTo\`: there are ${regions.join(', ')}`
  for (const setting of ['subnets', 'securityGroups'] as const) {
    if (Array.isArray(configuration[setting])) continue
    for (const key of Object.keys(configuration[setting])) {
      if (regions.includes(key)) continue
      const issues = [{ code: 'custom' as const, path: [], message }]
      found.addIssue({ code: 'invalid_key', origin: 'record', path: [setting, key], issues })
    }
  }
}
