import type { z } from 'zod'
import type { OpenstackConfiguration } from './config.ts'

/** Tells zod of every setting that another one makes impossible. */
export function refuseContradictions(configuration: OpenstackConfiguration, found: z.RefinementCtx): void {
  const refuse = (path: (string | number)[], message: string) =>
    found.addIssue({ code: 'custom', path, message })
  const { method, downloadFrom, visibility, shareWith, region, copyTo, cloudsFile, cloud } = configuration
  if (method === 'web-download' && downloadFrom === undefined) {
    refuse(['downloadFrom'], 'is missing: `method: web-download` needs the address of the artifacts')
  }
  if (shareWith.length > 0 && visibility !== 'shared') {
    refuse(['shareWith'], 'needs `visibility: shared`')
  }
  if (cloudsFile !== undefined && cloud === undefined) {
    refuse(['cloud'], 'is missing: which cloud of `cloudsFile` is meant?')
  }
  for (const [index, copy] of copyTo.entries()) {
    const isTwice = copy === region || copyTo.indexOf(copy) !== index
    if (isTwice) refuse(['copyTo', index], `names ${copy} a second time`)
  }
}
