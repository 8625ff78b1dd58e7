import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import { marksOf } from '#clouds/ibm/marks.ts'
import { imageName } from '#clouds/ibm/names.ts'
import type { Artifact } from '#src/artifact/types.ts'
import { gather } from '#test/contract/cloud.ts'
import { refusedWith, serverError, stalled } from '#test/servers/aws-front/effects.ts'
import { hasty, ibmForTests } from './ibm-tests.ts'
import { mainRegion, otherRegion } from './ibm-fixture.ts'

const MiB = 1024 ** 2
const ibm = ibmForTests()
const small = () => ibm.ibm.newArtifact(8 * MiB)

async function removeAll(): Promise<void> {
  const store = await ibm.images()
  for (const image of await gather(store.list(hasty()))) await store.remove(image, hasty())
}

test('regions side by side import one object, which is sent once and gone afterwards', async () => {
  const artifact = await ibm.ibm.newArtifact()
  const store = await ibm.images()
  const made = await Promise.all(
    [mainRegion, otherRegion].map(async (region) =>
      store.publish(artifact, await ibm.keyOf(artifact, region), hasty()),
    ),
  )
  expect(made.map(({ region }) => region)).toEqual([mainRegion, otherRegion])
  const sent = ibm.ibm.cos.requests.filter(({ action }) => action === 'UploadPart')
  expect(sent.map(({ parameters }) => parameters['partNumber']).toSorted()).toEqual(['1', '2'])
  const hrefs = ibm.ibm.double
    .calls('CreateImage')
    .map(({ parameters }) => (JSON.parse(parameters['body']!) as { file: { href: string } }).file.href)
  expect(hrefs).toHaveLength(2)
  expect(new Set(hrefs).size).toBe(1)
  expect(hrefs[0]).toMatch(new RegExp(`^cos://${mainRegion}/${ibm.ibm.bucket}/[^/]+\\.qcow2$`))
  expect(await ibm.ibm.inBucket()).toEqual([])
  await removeAll()
  expect(ibm.ibm.double.world.tagNames).not.toContain(`factory-sha256:${artifact.sha256}`)
})

test('parts go to addresses that are signed for them alone, so that their sender needs no key', async () => {
  const artifact = await ibm.ibm.newArtifact()
  await ibm.publish(artifact)
  const sent = ibm.ibm.cos.requests.filter(({ action }) => action === 'UploadPart')
  expect(sent).toHaveLength(2)
  for (const part of sent) expect(part).toMatchObject({ isPresigned: true, status: 200 })
  expect(ibm.ibm.cos.requests.filter(({ isPresigned }) => isPresigned)).toEqual(sent)
  await ibm.expectOnlyImage(artifact)
})

test('a disk far larger than the memory that may be used for it passes through', async () => {
  const artifact = await ibm.ibm.newArtifact(320 * MiB)
  const key = await ibm.keyOf(artifact)
  const program = new URL('ibm-upload-run.ts', import.meta.url).pathname
  const settings = JSON.stringify([ibm.ibm.configuration(), artifact, key])
  const { stdout } = await execa(process.execPath, [program, settings])
  const { peakBytes } = JSON.parse(stdout) as { peakBytes: number }
  expect(ibm.ibm.cos.requests.filter(({ action }) => action === 'UploadPart')).toHaveLength(5)
  expect(peakBytes).toBeLessThan(256 * MiB)
})

test('an image is named so that IBM takes it, bears its marks, and ends when it was told to', async () => {
  const artifact = await small()
  const now = Date.now()
  const image = await ibm.publish(artifact, mainRegion, {
    deprecateAfter: '30d',
    obsoleteAfter: '60d',
    resourceGroup: 'copr',
  })
  const record = ibm.ibm.double.world.images.get(image.id)!
  expect(record.resource_group).toBe('b'.repeat(32))
  expect(Date.parse(record.deprecation_at!) - now).toBeGreaterThan(30 * 86_400_000 - 1)
  expect(Date.parse(record.obsolescence_at!) - now).toBeGreaterThan(60 * 86_400_000 - 1)
  const tags = [...ibm.ibm.double.world.tags.get(record.crn)!.tags]
  expect(tags).toContain('team:copr')
  const { sha256, owner, arch } = await ibm.keyOf(artifact)
  expect(marksOf(tags)).toMatchObject({ sha256, owner, arch, size: String(artifact.virtualBytes) })
  record.status = 'deprecated'
  expect(await (await ibm.images()).find(await ibm.keyOf(artifact), hasty())).toEqual(image)
  record.status = 'obsolete'
  const store = await ibm.images()
  expect(await store.find(await ibm.keyOf(artifact), hasty())).toBeUndefined()
  expect(await gather(store.list(hasty()))).toEqual([image])
  expect(await ibm.leftovers()).toEqual([])
  // Its name is free again for the same content.
  await ibm.publish(artifact)
  await ibm.expectOnlyImage(artifact)
})

test('long names and names that IBM keeps for itself become names that it takes', () => {
  const key = { sha256: 'a'.repeat(64), owner: 'somebody' }
  const long = imageName({ ...key, name: `${'copr-builder.'.repeat(6)}x86_64` })
  expect(long).toMatch(/^copr-builder-copr-builder-[a-z-]*-a{12}-[0-9a-f]{8}$/)
  expect(long.length).toBeLessThanOrEqual(63)
  expect(imageName({ ...key, name: 'ibm-thing' })).toMatch(/^image-ibm-thing-a{12}-/)
  expect(imageName({ ...key, name: '9_lives' })).toMatch(/^image-9-lives-a{12}-/)
})

describe('a publish that cannot become an image', () => {
  async function refused(artifact: Artifact, change?: object): Promise<unknown> {
    const failure = await ibm.failureOf(artifact, change)
    expect(await gather((await ibm.images()).list(hasty()))).toEqual([])
    return failure
  }

  test('says why IBM could not import it, removes that, and begins anew at the next try', async () => {
    const artifact = await small()
    ibm.ibm.double.settings.importOutcome = {
      status: 'failed',
      code: 'image_data_corrupted',
      message: 'The file is not a qcow2.',
    }
    const failure = await refused(artifact)
    expect(failure).toMatchObject({ code: 'ibm-image-failed', class: 'infra' })
    expect((failure as Error).message).toContain('image_data_corrupted: The file is not a qcow2.')
    expect(ibm.ibm.double.calls('DeleteImage')).toHaveLength(1)
    ibm.ibm.double.settings.importOutcome = 'available'
    ibm.ibm.cos.forgetRequests()
    await ibm.publish(artifact)
    expect(ibm.ibm.cos.requests.filter(({ action }) => action === 'UploadPart')).toEqual([])
    await ibm.expectOnlyImage(artifact)
  })

  test('is not tried again when the disk itself is what IBM does not take', async () => {
    ibm.ibm.double.settings.importOutcome = {
      status: 'failed',
      code: 'image_provisioned_size_unsupported',
      message: 'too large',
    }
    expect(await refused(await small())).toMatchObject({ code: 'ibm-image-failed', class: 'user' })
    expect(await ibm.ibm.inBucket()).toEqual([])
    expect(await ibm.leftovers()).toEqual([])
  })

  test('does not count when IBM has read other bytes', async () => {
    const artifact = await small()
    ibm.ibm.double.settings.importOutcome = 'wrong checksum'
    expect(await refused(artifact)).toMatchObject({ code: 'ibm-image-differs', class: 'infra' })
    ibm.ibm.double.settings.importOutcome = 'available'
    await ibm.publish(artifact)
    await ibm.expectOnlyImage(artifact)
  })

  test('says how VPC is let read the bucket', async () => {
    ibm.ibm.double.settings.authorization = 'missing'
    const failure = await refused(await small())
    expect(failure).toMatchObject({ code: 'ibm-authorization', class: 'permission' })
    expect((failure as { hint: string }).hint).toContain(
      'authorization-policy-create is cloud-object-storage Reader',
    )
    expect(await ibm.ibm.inBucket()).toEqual([])
  })

  test('says which operating systems there are', async () => {
    const failure = await refused(await small(), { operatingSystem: { x86_64: 'red-8-s390x-byol' } })
    expect(failure).toMatchObject({ code: 'ibm-operating-system', class: 'user' })
    expect((failure as { hint: string }).hint).toContain('red-9-amd64, red-9-amd64-byol.')
    expect(ibm.ibm.cos.requests.filter(({ action }) => action === 'UploadPart')).toEqual([])
  })

  test('is tried again when somebody else was done with the same disk and has removed it', async () => {
    const artifact = await small()
    const effect = refusedWith({ code: 'cos_not_found', message: 'not found', status: 400 })
    const fault = ibm.ibm.double.inject({ action: 'CreateImage', times: 1, effect })
    expect(await refused(artifact)).toMatchObject({ code: 'ibm-upload-gone', class: 'infra' })
    fault.remove()
    await ibm.publish(artifact)
    await ibm.expectOnlyImage(artifact)
  })

  test('says that a quota is used up', async () => {
    ibm.ibm.double.settings.quotas.images = 0
    expect(await refused(await small())).toMatchObject({ code: 'ibm-quota', class: 'quota' })
    expect(await ibm.ibm.inBucket()).toEqual([])
  })
})

test('an image of a container that was taken as it is has an empty identity', async () => {
  const artifact = await small()
  const named = await ibm.keyOf(artifact)
  const key = { ...named, origin: { ...named.origin, identity: '' } }
  const made = await (await ibm.images()).publish(artifact, key, hasty())
  expect(made.origin).toEqual(key.origin)
  await ibm.expectOnlyImage(artifact)
})

test('an image whose marks are taken off while it is imported gets them again', async () => {
  const artifact = await small()
  let looks = 0
  const fault = ibm.ibm.double.inject({
    action: 'GetImage',
    when: () => {
      looks += 1
      if (looks === 3)
        for (const known of ibm.ibm.double.world.tags.values()) {
          known.tags.clear()
          known.shown.clear()
        }
      return false
    },
    effect: stalled(),
  })
  await ibm.publish(artifact)
  fault.remove()
  expect(ibm.ibm.double.calls('AttachTag').length).toBeGreaterThan(2)
  await ibm.expectOnlyImage(artifact)
})

describe('what is asked before anything is built', () => {
  test('refuses formats, architectures and sizes that IBM does not take', async () => {
    const store = await ibm.images()
    expect(store.takes('s390x', 'qcow2')).toEqual({ ok: true })
    expect(store.takes('x86_64', 'raw')).toMatchObject({ ok: false, hint: 'Write `format: qcow2`.' })
    expect(store.takes('aarch64', 'qcow2')).toMatchObject({ ok: false })
    const half = await ibm.images({ operatingSystem: { x86_64: 'red-9-amd64-byol' } })
    expect(half.takes('x86_64', 'qcow2')).toEqual({ ok: true })
    expect(half.takes('s390x', 'qcow2')).toMatchObject({
      ok: false,
      hint: expect.stringContaining('clouds.test.operatingSystem.s390x'),
    })
    const need = { virtualBytes: 251e9, storedBytes: 1 }
    await expect(store.check(mainRegion, need, hasty())).rejects.toMatchObject({
      code: 'ibm-image-too-large',
    })
    await store.check(mainRegion, { ...need, virtualBytes: 250e9 }, hasty())
  })

  test('refuses a bucket that is not there, and none', async () => {
    const need = { virtualBytes: 1, storedBytes: 1 }
    const gone = { ...ibm.ibm.configuration().bucket, name: 'not-there' }
    const elsewhere = await ibm.images({ bucket: gone })
    const missing = { code: 'ibm-bucket-missing', class: 'user' }
    await expect(elsewhere.check(mainRegion, need, hasty())).rejects.toMatchObject(missing)
    const none = await ibm.images({ bucket: undefined })
    await expect(none.check(mainRegion, need, hasty())).rejects.toMatchObject(missing)
  })
})

describe('a publish that is killed', () => {
  const moments = [
    ['before IBM is asked for the image', 'CreateImage', false],
    ['when IBM has begun the image and has not answered', 'CreateImage', true],
    ['before the image bears its marks', 'AttachTag', false],
    ['when the marks are on their way', 'AttachTag', true],
  ] as const
  test.each(moments)('%s leaves nothing that counts, and is gone on with', async (_when, action, isDone) => {
    const artifact = await small()
    const fault = ibm.ibm.double.inject({ action, times: 1, effect: stalled(isDone) })
    await ibm.ibm.killPublish(artifact, await ibm.keyOf(artifact), fault.happened)
    fault.remove()
    expect(await gather((await ibm.images()).list(hasty()))).toEqual([])
    expect((await ibm.leftovers()).length).toBeGreaterThan(0)
    ibm.ibm.cos.forgetRequests()
    await ibm.publish(artifact)
    expect(ibm.ibm.cos.requests.filter(({ action: each }) => each === 'UploadPart')).toEqual([])
    await ibm.expectOnlyImage(artifact)
  })

  test('when its image was whole leaves what was sent to be cleared up, once every region has an image', async () => {
    const artifact = await small()
    const store = await ibm.images()
    for (const region of [mainRegion, otherRegion]) {
      const key = await ibm.keyOf(artifact, region)
      const fault = ibm.ibm.cos.inject({ action: 'DeleteObject', times: 1, effect: stalled() })
      await ibm.ibm.killPublish(artifact, key, fault.happened)
      fault.remove()
      expect(await store.find(key, hasty())).toMatchObject({ region })
      expect(await ibm.ibm.inBucket()).toHaveLength(1)
      for (const _again of [1, 2]) await store.clearUp!(key, hasty())
      expect(await ibm.ibm.inBucket()).toHaveLength(region === mainRegion ? 1 : 0)
    }
    const sent = ibm.ibm.cos.requests.filter(({ action }) => action === 'UploadPart')
    expect(sent).toHaveLength(1)
    await removeAll()
  })

  test.each(moments)('%s is cleaned up by reapers, in whatever order', async (_when, action, isDone) => {
    const artifact = await small()
    const fault = ibm.ibm.double.inject({ action, times: 1, effect: stalled(isDone) })
    await ibm.ibm.killPublish(artifact, await ibm.keyOf(artifact), fault.happened)
    fault.remove()
    const store = await ibm.images()
    const found = await ibm.leftovers()
    const ends = found.map(({ expires }) => Date.parse(expires!))
    expect(ends.every((end) => end > Date.now() + 2 * 3_600_000)).toBe(true)
    // The object first, which stays as long as it alone shows whose the image is.
    for (const each of found.toReversed()) await store.discard(each, hasty())
    for (const each of await ibm.leftovers()) await store.discard(each, hasty())
    expect(await ibm.leftovers()).toEqual([])
    expect(await ibm.ibm.inBucket()).toEqual([])
    expect(
      [...ibm.ibm.double.world.images.values()].filter(({ visibility }) => visibility === 'private'),
    ).toEqual([])
  })

  test('keeps its parts when somebody has gone on with them since they were found', async () => {
    const artifact = await ibm.ibm.newArtifact()
    await ibm.ibm.killPublish(artifact, await ibm.keyOf(artifact), 1)
    const [upload] = await ibm.leftovers()
    const store = await ibm.images()
    const foundEarlier = new Date(Date.parse(upload!.expires!) - 60_000).toISOString()
    await store.discard({ ...upload!, expires: foundEarlier }, hasty())
    expect(await ibm.ibm.inBucket()).toHaveLength(1)
    await store.discard(upload!, hasty())
    expect(await ibm.ibm.inBucket()).toEqual([])
  })

  test('is found in the bucket, too, while VPC does not answer', async () => {
    const artifact = await small()
    const fault = ibm.ibm.double.inject({ action: 'CreateImage', times: 1, effect: stalled() })
    await ibm.ibm.killPublish(artifact, await ibm.keyOf(artifact), fault.happened)
    fault.remove()
    ibm.ibm.double.settings.denied = ['ListImages']
    const found: string[] = []
    const look = async () => {
      for await (const { id } of (await ibm.images()).leftovers(ibm.ibm.owner, hasty())) found.push(id)
    }
    await expect(look()).rejects.toMatchObject({ code: 'ibm-permission' })
    expect(found).toEqual([expect.stringContaining('cos://')])
  })

  test('while parts are on their way sends only the others', async () => {
    const artifact = await ibm.ibm.newArtifact()
    await ibm.ibm.killPublish(artifact, await ibm.keyOf(artifact), 1)
    const before = ibm.ibm.cos.requests.filter(
      ({ action, status }) => action === 'UploadPart' && status === 200,
    )
    ibm.ibm.cos.forgetRequests()
    await ibm.publish(artifact)
    const sent = ibm.ibm.cos.requests.filter(({ action }) => action === 'UploadPart')
    expect(sent.length + before.length).toBe(2)
    await ibm.expectOnlyImage(artifact)
  })
})

test('a publish that is killed when the image is ready has made it; the object is left for reapers', async () => {
  const artifact = await small()
  const key = await ibm.keyOf(artifact)
  const fault = ibm.ibm.cos.inject({ action: 'DeleteObject', times: 1, effect: stalled() })
  await ibm.ibm.killPublish(artifact, key, fault.happened)
  fault.remove()
  const store = await ibm.images()
  expect(await store.find(key, hasty())).toMatchObject({ sha256: artifact.sha256 })
  const [object, ...others] = await ibm.leftovers()
  expect(others).toEqual([])
  expect(object).toMatchObject({ kind: 'image', region: mainRegion, state: 'whole', release: 'test' })
  await store.discard(object!, hasty())
  await ibm.expectOnlyImage(artifact)
})

test('an object stays for a region that failed in a way that may pass, and goes when that has its image', async () => {
  const artifact = await small()
  const store = await ibm.images()
  const keys = await Promise.all([mainRegion, otherRegion].map((region) => ibm.keyOf(artifact, region)))
  const fault = ibm.ibm.double.inject({ service: 'vpc', region: otherRegion, effect: serverError() })
  const both = await Promise.allSettled(keys.map((key) => store.publish(artifact, key, hasty())))
  fault.remove()
  expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  expect(await ibm.ibm.inBucket()).toHaveLength(1)
  ibm.ibm.cos.forgetRequests()
  await store.publish(artifact, keys[1]!, hasty())
  expect(ibm.ibm.cos.requests.filter(({ action }) => action === 'UploadPart')).toEqual([])
  expect(await ibm.ibm.inBucket()).toEqual([])
  await removeAll()
})

test('two factories that publish the same content at once make one image', async () => {
  const artifact = await ibm.ibm.newArtifact()
  const key = await ibm.keyOf(artifact)
  const publish = async () => await (await ibm.images()).publish(artifact, key, hasty())
  const first = await Promise.allSettled([publish(), publish()])
  for (const each of first) {
    // Whoever comes second may find its upload completed by the other; the engine tries that again.
    if (each.status === 'rejected') expect(each.reason).toMatchObject({ class: 'infra' })
  }
  const images = [await publish(), await publish()]
  expect(images[1]).toEqual(images[0])
  expect(ibm.ibm.double.calls('CreateImage').filter(({ status }) => status === 201)).toHaveLength(1)
  for (const left of await ibm.leftovers()) await (await ibm.images()).discard(left, hasty())
  await ibm.expectOnlyImage(artifact)
})

test('an object that another region still reads stays until that has ended', async () => {
  const artifact = await small()
  // A process of its own is killed while it imports into the other region.
  const other = await ibm.keyOf(artifact, otherRegion)
  const fault = ibm.ibm.double.inject({
    action: 'GetImage',
    region: otherRegion,
    times: 1,
    effect: stalled(),
  })
  await ibm.ibm.killPublish(artifact, other, fault.happened)
  fault.remove()
  await ibm.publish(artifact)
  expect(await ibm.ibm.inBucket()).toHaveLength(1)
  ibm.ibm.cos.forgetRequests()
  await ibm.publish(artifact, otherRegion)
  expect(ibm.ibm.cos.requests.filter(({ action }) => action === 'UploadPart')).toEqual([])
  expect(await ibm.ibm.inBucket()).toEqual([])
  await removeAll()
})

test('a namesake that came while our disk lay in the bucket is told apart by its content', async () => {
  const artifact = await small()
  const key = await ibm.keyOf(artifact)
  const fault = ibm.ibm.double.inject({ action: 'CreateImage', times: 1, effect: stalled() })
  await ibm.ibm.killPublish(artifact, key, fault.happened)
  fault.remove()
  await ibm.ibm.plantForeign(key)
  expect(await ibm.failureOf(artifact)).toMatchObject({ code: 'image-name-taken', class: 'user' })
  expect((await ibm.leftovers()).filter(({ id }) => !id.startsWith('cos:'))).toEqual([])
  expect(ibm.ibm.double.calls('DeleteImage')).toEqual([])
})

test('a namesake of the same name and of foreign content is left alone, whatever state it is in', async () => {
  const artifact = await small()
  const key = await ibm.keyOf(artifact)
  await ibm.ibm.plantForeign(key)
  const [planted] = [...ibm.ibm.double.world.images.values()].filter(({ name }) => name === imageName(key))
  for (const status of ['available', 'failed', 'pending', 'deprecated'] as const) {
    planted!.status = status
    expect(await ibm.failureOf(artifact)).toMatchObject({ code: 'image-name-taken', class: 'user' })
  }
  expect(ibm.ibm.double.calls('DeleteImage')).toEqual([])
  expect(await ibm.ibm.inBucket()).toEqual([])
  ibm.ibm.double.world.images.delete(planted!.id)
})
