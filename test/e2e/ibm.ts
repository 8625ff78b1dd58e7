import { expect } from 'vitest'
import { type IbmForTests, startIbm } from '#test/clouds/ibm-fixture.ts'
import { serverError } from '#test/servers/aws-front/effects.ts'
import type { LabFile } from './factory.ts'

export const ibmRegions = ['eu-es', 'br-sao', 'us-east'] as const

/** IBM Cloud for a workspace: its double, with moto behind the strict front as Cloud Object Storage. */
export interface IbmForWorkspace extends AsyncDisposable {
  /** Publishes the image of s390x to three regions; there is no machine that could boot it. */
  configure(file: LabFile): void
  /** From now on VPC answers nothing but errors in a region, until the returned function is called. */
  failIn(region: string): () => void
  /** What is in it is these images, and nothing else that a publish has made. */
  expectOnly(ids: readonly string[]): Promise<void>
  /** sha256 of an image's content, as VPC read it from the bucket. */
  sha256(id: string): string | undefined
}

export async function openIbm(): Promise<IbmForWorkspace> {
  await using started = new AsyncDisposableStack()
  const ibm: IbmForTests = started.use(await startIbm())
  const { images } = ibm.double.world
  const held = started.move()
  return {
    configure(file) {
      file.clouds['ibm'] = ibm.configuration({ copyTo: ibmRegions.slice(1) })
      file.publish.push({ to: 'ibm', arch: ['s390x'], format: 'qcow2', verify: false })
    },
    failIn(region) {
      const fault = ibm.double.inject({ service: 'vpc', region, effect: serverError() })
      return () => fault.remove()
    },
    async expectOnly(ids) {
      const ours = [...images.values()].filter(({ source }) => source !== undefined)
      expect(ours.map(({ id }) => id).toSorted()).toEqual([...ids].toSorted())
      expect(await ibm.inBucket()).toEqual([])
    },
    sha256: (id) => images.get(id)?.sha256,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}
