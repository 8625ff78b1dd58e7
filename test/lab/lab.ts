import { builderBaseDisk } from './base-disk.ts'
import type { Report } from './cache.ts'
import { ensureLabImages } from './oci-images.ts'
import { oneAtATime } from '#test/one-at-a-time.ts'
import { ensureLabPools } from './pool.ts'
import { forEachArchitecture, untilAllEnd } from './two-at-a-time.ts'

/** The configuration that the lab fits. */
export const labConfiguration = new URL('./factory.yaml', import.meta.url).pathname

/**
 * Makes everything that test/lab/factory.yaml names: libvirt with its pools, a base disk for the builders of
 * each architecture, the registry with the base image and the stand-in disk builder. What is there stays.
 */
export async function ensureLab(report: Report): Promise<void> {
  await oneAtATime(lab, report, () => untilAllEnd<unknown>([makeBuilders(report), ensureLabImages(report)]))
}

/** The part of the lab that builders start from. */
export async function ensureBuilders(report: Report): Promise<void> {
  await oneAtATime(lab, report, () => makeBuilders(report))
}

const lab = 'image-factory-lab'

async function makeBuilders(report: Report): Promise<void> {
  const disks = await forEachArchitecture((arch) => builderBaseDisk(arch, report))
  await ensureLabPools(disks, report)
}
