import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { ibmArchitectures } from '../config.ts'
import { operatingSystemFor } from '../images/operating-system.ts'
import { ownImages } from '../images/vpc-images.ts'
import type { IbmSettings } from '../settings.ts'
import { finding } from './finding.ts'

/** What images are imported as in each region, and how many there are. */
export async function* lookAtImages(settings: IbmSettings, ctx: Context): AsyncIterable<Finding> {
  const { operatingSystem, bucket } = settings.configuration
  const wanted = ibmArchitectures.filter((arch) => operatingSystem[arch] !== undefined)
  for (const region of settings.regions) {
    yield await finding(`images in ${region}`, ctx, async () => {
      const images = await ownImages(settings, region, ctx)
      const failed = images.filter(({ status }) => status === 'failed' || status === 'unusable').length
      const broken = failed === 0 ? '' : `, ${failed} of them failed`
      // https://cloud.ibm.com/docs/vpc?topic=vpc-quotas has none for images, and no call tells.
      const message = `${images.length} custom images${broken}; IBM Cloud tells nobody how many there may be, an import that is one too many is refused as over_quota`
      return { severity: 'ok', message }
    })
    for (const arch of wanted) {
      yield await finding(`operating system of ${arch} images in ${region}`, ctx, async () => ({
        severity: 'ok',
        message: await operatingSystemFor(settings, arch, region, ctx),
      }))
    }
  }
  if (wanted.length > 0 || bucket === undefined) return
  const message = `clouds.${settings.name}.operatingSystem names none, so no image can be imported`
  const hint = 'Name one for each architecture that is published here: ibmcloud is operating-systems'
  yield { severity: 'error', subject: 'operating system', message, hint }
}
