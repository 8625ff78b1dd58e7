import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect } from 'vitest'
import type { Image, ImageKey, ImageStore, Resource } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import type { Context } from '#src/context.ts'
import { gather, imageKey, testContext } from '#test/contract/cloud.ts'
import { type DoubleSettings, defaultSettings } from '#test/servers/ibm-cloud/settings.ts'
import { type IbmForTests, mainRegion, startIbm } from './ibm-fixture.ts'

/** A context in which waiting takes a twentieth of its time: the double is quick. */
export function hasty(): Context & { told: string[] } {
  return { ...testContext(), sleep: (ms) => pause(ms / 20) }
}

/** What the tests of one file about IBM Cloud share. */
export interface SharedIbm {
  readonly ibm: IbmForTests
  images(change?: object): Promise<ImageStore>
  keyOf(artifact: Artifact, region?: string): Promise<ImageKey>
  publish(artifact: Artifact, region?: string, change?: object): Promise<Image>
  /** What a publish failed with. */
  failureOf(artifact: Artifact, change?: object): Promise<unknown>
  leftovers(): Promise<Resource[]>
  /** There is one image of the artifact in the region, and nothing but it; the image is removed then. */
  expectOnlyImage(artifact: Artifact, region?: string): Promise<void>
}

/** One double, with its object storage, for the tests of a file; its settings are the usual ones before each test. */
export function ibmForTests(change: Partial<DoubleSettings> = {}): SharedIbm {
  let ibm: IbmForTests
  beforeAll(async () => {
    ibm = await startIbm(change)
  }, 300_000)
  beforeEach(async () => {
    await ibm.reset()
    ibm.double.forgetRequests()
    ibm.cos.forgetRequests()
    Object.assign(ibm.double.settings, defaultSettings(), { pageSize: 2, ...change })
  })
  afterAll(() => ibm?.[Symbol.asyncDispose]())

  const images = async (more?: object) => (await ibm.open(more)).images!
  const keyOf = async (artifact: Artifact, region = mainRegion) => ({
    ...imageKey(await ibm.open(), ibm.owner, artifact, artifact.sha256.slice(0, 8)),
    region,
  })
  const publish = async (artifact: Artifact, region?: string, more?: object) =>
    await (await images(more)).publish(artifact, await keyOf(artifact, region), hasty())
  const leftovers = async () => await gather((await images()).leftovers(ibm.owner, hasty()))
  return {
    get ibm() {
      return ibm
    },
    images,
    keyOf,
    publish,
    failureOf: (artifact, more) =>
      publish(artifact, undefined, more).then(
        () => undefined,
        (error: unknown) => error,
      ),
    leftovers,
    async expectOnlyImage({ sha256 }, region = mainRegion) {
      const store = await images()
      const all = await gather(store.list(hasty()))
      const ours = all.filter((image) => image.sha256 === sha256 && image.region === region)
      expect(ours).toHaveLength(1)
      const sameName = [...ibm.double.world.images.values()].filter(({ name }) => name === ours[0]!.name)
      expect(sameName.filter((image) => image.region === region)).toHaveLength(1)
      expect(await leftovers()).toEqual([])
      expect(await ibm.inBucket()).toEqual([])
      await store.remove(ours[0]!, hasty())
    },
  }
}
