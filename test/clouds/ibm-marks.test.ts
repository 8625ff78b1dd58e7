import { expect, test } from 'vitest'
import { imageById } from '#clouds/ibm/images/vpc-images.ts'
import type { ImageMark } from '#clouds/types.ts'
import { lostAnswer, refusedWith } from '#test/servers/aws-front/effects.ts'
import { mainRegion } from './ibm-fixture.ts'
import { hasty, ibmForTests } from './ibm-tests.ts'

const day = 86_400_000
const small = 8 * 1024 ** 2
const shared = ibmForTests()

/** A small image of its own and the store that published it. */
async function published(change: object = {}) {
  const artifact = await shared.ibm.newArtifact(small)
  const image = await shared.publish(artifact, mainRegion, change)
  const { mark, marked } = await shared.images(change)
  const { double } = shared.ibm
  double.forgetRequests()
  const record = () => double.world.images.get(image.id)!
  return {
    mark: (to: ImageMark) => mark!(image, to, hasty()),
    marked: () => marked!(image, hasty()),
    /** Days from its making until it is deprecated, and obsolete. */
    ends() {
      const { created_at, deprecation_at: deprecated, obsolescence_at: obsolete } = record()
      const days = (at?: string) =>
        at === undefined ? undefined : Math.round((Date.parse(at) - Date.parse(created_at)) / day)
      return [days(deprecated), days(obsolete)]
    },
    record,
    changes: () => double.requests.filter(isChange).map(({ action }) => action),
  }
}

const isChange = ({ action }: { action: string }) => /^(Update|Deprecate|Attach)/.test(action)
const isDeprecated = { status: 'deprecated' }
const looked = ({ id }: { id: string }) => imageById(shared.ibm.settings(), mainRegion, id, hasty())

test('deprecates what is not to be used, and what is promoted has no end, whatever the configuration says of new images', async () => {
  const ends = { deprecateAfter: '30d', obsoleteAfter: '60d' }
  const one = await published(ends)
  expect(one.ends()).toEqual([30, 60])
  await one.mark('promoted')
  expect(one.ends()).toEqual([undefined, undefined])
  expect(await looked(one.record())).toMatchObject({ status: 'available' })
  for (const mark of ['superseded', 'incomplete', 'ignored'] as const) {
    await one.mark(mark)
    expect(await looked(one.record()), mark).toMatchObject(isDeprecated)
  }
  await one.mark('candidate')
  expect(one.ends()).toEqual([30, 60])
  expect(await looked(one.record())).toMatchObject({ status: 'available' })
  await one.mark('ignored')
  expect(await looked(one.record())).toMatchObject(isDeprecated)
  expect(one.ends()).toEqual([0, 60])
  await one.mark('previous')
  expect(one.ends()).toEqual([undefined, undefined])
})

test('takes what has become obsolete back into use when it is promoted', async () => {
  const one = await published()
  Object.assign(one.record(), {
    deprecation_at: new Date(Date.now() - 2 * day).toISOString(),
    obsolescence_at: new Date(Date.now() - day).toISOString(),
  })
  await one.mark('promoted')
  expect(await looked(one.record())).toMatchObject({ status: 'available' })
})

test('an image that has its mark already is changed in nothing', async () => {
  const one = await published()
  await one.mark('ignored')
  const before = one.changes()
  await one.mark('ignored')
  expect(one.changes()).toEqual(before)
})

test('somebody who takes a deprecation or a tag away is noticed, and the mark set again mends it', async () => {
  const one = await published()
  await one.mark('superseded')
  delete one.record().deprecation_at
  expect(await one.marked()).toBeUndefined()
  await one.mark('superseded')
  expect(await one.marked()).toBe('superseded')
  const { tags } = shared.ibm.double.world.tags.get(one.record().crn)!
  for (const tag of tags) if (tag.startsWith('factory-channel')) tags.delete(tag)
  expect(await one.marked()).toBeUndefined()
  await one.mark('superseded')
  expect(await one.marked()).toBe('superseded')
})

test('a deprecation whose answer was lost is not taken for refused', async () => {
  const one = await published()
  const fault = shared.ibm.double.inject({ action: 'DeprecateImage', times: 1, effect: lostAnswer() })
  await one.mark('ignored')
  expect(fault.count).toBe(1)
  expect(await one.marked()).toBe('ignored')
})

test('one that is refused says why', async () => {
  const one = await published()
  const effect = refusedWith({ code: 'not_authorized', message: 'not yours', status: 403 })
  shared.ibm.double.inject({ action: 'DeprecateImage', effect })
  await expect(one.mark('ignored')).rejects.toMatchObject({ class: 'permission' })
  expect(await one.marked()).toBeUndefined()
})

test.each<[ImageMark, ImageMark]>([
  ['candidate', 'ignored'],
  ['ignored', 'promoted'],
  ['superseded', 'candidate'],
])(
  'whatever request a mark is cut off at from %s to %s, it is not taken for set, and the next try sets it',
  async (from, to) => {
    const one = await published({ deprecateAfter: '30d', obsoleteAfter: '60d' })
    const { double } = shared.ibm
    await one.mark(from)
    double.forgetRequests()
    await one.mark(to)
    const requests = one.changes()
    expect(requests.length).toBeGreaterThan(1)
    for (const at of requests.keys()) {
      await one.mark(from)
      const effect = refusedWith({ code: 'not_authorized', message: 'cut off', status: 403 })
      const cut = double.inject({ when: isChange, after: at, effect })
      await expect(one.mark(to), requests[at]).rejects.toMatchObject({ class: 'permission' })
      cut.remove()
      expect(await one.marked(), requests[at]).not.toBe(to)
      await one.mark(to)
      expect(await one.marked(), requests[at]).toBe(to)
    }
  },
)
