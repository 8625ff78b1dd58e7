import { afterAll, beforeAll, beforeEach, expect } from 'vitest'
import type { AwsConfiguration } from '#clouds/aws/config.ts'
import type { Image, ImageKey, ImageStore, Resource } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import { gather, imageKey, testContext } from '#test/contract/cloud.ts'
import { type AwsFront, startAwsFront } from '#test/servers/aws-front/front.ts'
import type { FrontRequest } from '#test/servers/aws-front/call.ts'
import { startMoto } from '#test/servers/moto.ts'
import { type AwsBucketFixture, createAwsBucketFixture } from './aws-bucket-fixture.ts'

/** What the tests of one file about images by way of a bucket share. */
export interface AwsBucketForTests {
  readonly front: AwsFront
  readonly fixture: AwsBucketFixture
  /** Requests of the running test for the action. */
  calls(action: string): FrontRequest[]
  images(change?: Partial<AwsConfiguration>): Promise<ImageStore>
  keyOf(artifact: Artifact): Promise<ImageKey>
  publish(artifact: Artifact, change?: Partial<AwsConfiguration>): Promise<Image>
  /** What a publish failed with. */
  failureOf(artifact: Artifact, change?: Partial<AwsConfiguration>): Promise<unknown>
  leftovers(): Promise<Resource[]>
  /** There is one image of the artifact, and nothing but it; the image is removed then. */
  expectOnlyImage(artifact: Artifact): Promise<void>
}

/** One emulator, front and bucket for the tests of a file. */
export function awsBucketForTests(): AwsBucketForTests {
  const started = new AsyncDisposableStack()
  let front: AwsFront
  let fixture: AwsBucketFixture
  beforeAll(async () => {
    const moto = started.use(await startMoto())
    front = started.use(await startAwsFront({ upstream: moto.endpoint }))
    fixture = started.use(await createAwsBucketFixture(front, { copyTo: [] }))
  })
  beforeEach(() => void front.forgetRequests())
  afterAll(() => started.disposeAsync())

  const images = async (change?: Partial<AwsConfiguration>) => (await fixture.open(change)).images!
  const keyOf = async (artifact: Artifact) =>
    imageKey(await fixture.open(), fixture.owner, artifact, artifact.sha256.slice(0, 8))
  const publish = async (artifact: Artifact, change?: Partial<AwsConfiguration>) =>
    await (await images(change)).publish(artifact, await keyOf(artifact), testContext())
  const leftovers = async () => await gather((await images()).leftovers(fixture.owner, testContext()))
  return {
    get front() {
      return front
    },
    get fixture() {
      return fixture
    },
    calls: (action) => front.requests.filter((request) => request.action === action),
    images,
    keyOf,
    publish,
    failureOf: (artifact, change) =>
      publish(artifact, change).then(
        () => undefined,
        (error: unknown) => error,
      ),
    leftovers,
    async expectOnlyImage({ sha256 }) {
      const store = await images()
      const ours = (await gather(store.list(testContext()))).filter((image) => image.sha256 === sha256)
      expect(ours).toHaveLength(1)
      expect(await leftovers()).toEqual([])
      expect(await fixture.inBucket()).toEqual([])
      await store.remove(ours[0]!, testContext())
    },
  }
}
