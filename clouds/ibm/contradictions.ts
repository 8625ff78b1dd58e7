import type { z } from 'zod'
import { parseDuration } from '#src/units.ts'
import type { IbmConfiguration } from './config.ts'

/** Tells zod of every setting that another one makes impossible. */
export function refuseContradictions(configuration: IbmConfiguration, found: z.RefinementCtx): void {
  const { deprecateAfter, obsoleteAfter } = configuration
  if (deprecateAfter !== undefined && obsoleteAfter !== undefined) {
    if (parseDuration(obsoleteAfter)! <= parseDuration(deprecateAfter)!) {
      const message = 'is not after `deprecateAfter`, and an image is deprecated before it is obsolete'
      found.addIssue({ code: 'custom', path: ['obsoleteAfter'], message })
    }
  }
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
