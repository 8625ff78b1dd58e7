import { builderContract } from '#test/contract/builders.ts'
import { imageContract } from '#test/contract/images.ts'
import { startAwsFront } from '#test/servers/aws-front/front.ts'
import { startMoto } from '#test/servers/moto.ts'
import { createAwsBucketFixture } from './aws-bucket-fixture.ts'
import { createAwsBuildersFixture } from './aws-builders-fixture.ts'
import { createAwsImagesFixture } from './aws-fixture.ts'

builderContract('aws on moto', async () => {
  await using started = new AsyncDisposableStack()
  const { endpoint } = started.use(await startMoto())
  const fixture = started.use(await createAwsBuildersFixture(endpoint))
  const held = started.move()
  return { ...fixture, [Symbol.asyncDispose]: () => held.disposeAsync() }
})

builderContract('aws on moto behind the strict front', async () => {
  await using started = new AsyncDisposableStack()
  const moto = started.use(await startMoto())
  const front = started.use(await startAwsFront({ upstream: moto.endpoint, settings: { pageSize: 2 } }))
  const fixture = started.use(await createAwsBuildersFixture(front.endpoint))
  const held = started.move()
  return { ...fixture, [Symbol.asyncDispose]: () => held.disposeAsync() }
})

// Not on moto alone: its RegisterImage forgets tags, architecture and snapshot.
imageContract('aws on moto behind the strict front', async () => {
  await using started = new AsyncDisposableStack()
  const moto = started.use(await startMoto())
  const front = started.use(await startAwsFront({ upstream: moto.endpoint, settings: { pageSize: 2 } }))
  const fixture = started.use(await createAwsImagesFixture(front.endpoint))
  const held = started.move()
  return { ...fixture, [Symbol.asyncDispose]: () => held.disposeAsync() }
})

imageContract('aws by way of a bucket', async () => {
  await using started = new AsyncDisposableStack()
  const moto = started.use(await startMoto({ s3PageSize: 1 }))
  const front = started.use(await startAwsFront({ upstream: moto.endpoint, settings: { pageSize: 2 } }))
  const fixture = started.use(await createAwsBucketFixture(front))
  const held = started.move()
  return { ...fixture, [Symbol.asyncDispose]: () => held.disposeAsync() }
})
