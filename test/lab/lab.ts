import pLimit from 'p-limit'
import { architectureNames } from '#arch/index.ts'
import { builderBaseDisk } from './base-disk.ts'
import type { Report } from './cache.ts'
import { ensureLabImages } from './oci-images.ts'
import { oneAtATime } from './one-at-a-time.ts'
import { ensureLabPools } from './pool.ts'

/** The configuration that the lab fits. */
export const labConfiguration = new URL('./factory.yaml', import.meta.url).pathname

/**
 * Makes everything that test/lab/factory.yaml names: libvirt with its pools, a base disk for the builders of
 * each architecture, the registry with the base image and the stand-in disk builder. What is there stays.
 */
export async function ensureLab(report: Report): Promise<void> {
  await oneAtATime(lab, () => Promise.all([makeBuilders(report), ensureLabImages(report)]))
}

/** The part of the lab that builders start from. */
export async function ensureBuilders(report: Report): Promise<void> {
  await oneAtATime(lab, () => makeBuilders(report))
}

const lab = 'image-factory-lab'

/** Two at a time: one downloads while the other unpacks. */
async function makeBuilders(report: Report): Promise<void> {
  const twoAtATime = pLimit(2)
  const disks = await Promise.all(
    architectureNames.map((arch) => twoAtATime(() => builderBaseDisk(arch, report))),
  )
  await ensureLabPools(disks, report)
}
