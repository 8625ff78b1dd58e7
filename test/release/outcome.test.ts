import { expect, test } from 'vitest'
import type { ArchitectureName } from '#arch/index.ts'
import type { PublishedImage, Verification } from '#src/journal/images.ts'
import { judge } from '#src/release/outcome.ts'

function image(arch: ArchitectureName, result: Verification['result'] = 'passed'): PublishedImage {
  const identity = { cloud: 'lab', kind: 'libvirt', region: 'local', arch, id: arch, name: arch } as const
  return {
    image: { ...identity, format: 'raw', sha256: 'a'.repeat(64), sizeBytes: 1, release: 'r' },
    publishedAt: 1,
    verification: { result, how: 'booted' },
  }
}

function release(images: PublishedImage[], verify = true) {
  const builds = (['x86_64', 's390x'] as const).map((arch) => ({
    arch,
    buildKey: arch,
    why: '',
    collected: true,
  }))
  const destinations = builds.map(({ arch }) => ({
    cloud: 'lab',
    region: 'local',
    arch,
    format: 'raw' as const,
    verify,
  }))
  return { builds, destinations, images }
}

test('is done when every architecture is published and proven', () => {
  expect(judge(release([image('x86_64'), image('s390x')]), 'all')).toMatchObject({
    outcome: 'done',
    promotable: true,
  })
})

test('is partial, and not promotable, when a required architecture is missing though another is there', () => {
  const judgement = judge(release([image('x86_64')]), 'all')
  expect(judgement).toEqual({
    outcome: 'partial',
    promotable: false,
    complete: ['x86_64'],
    missing: ['s390x'],
  })
})

test('an image that failed its boot check does not count', () => {
  const images = [image('x86_64'), image('s390x', 'failed')]
  expect(judge(release(images), 'all')).toMatchObject({ outcome: 'partial', missing: ['s390x'] })
})

test('an image that could not be verified does not count where verification was asked for', () => {
  const images = [image('x86_64'), image('s390x', 'not verified')]
  expect(judge(release(images), 'all').promotable).toBe(false)
  expect(judge(release(images, false), 'all').promotable).toBe(true)
})

test('require names what a promotable release must have', () => {
  expect(judge(release([image('s390x')]), ['s390x'])).toMatchObject({ outcome: 'done', missing: ['x86_64'] })
  expect(judge(release([image('s390x')]), ['x86_64'])).toMatchObject({ outcome: 'partial' })
  expect(judge(release([image('s390x')]), 'any').promotable).toBe(true)
  expect(judge(release([]), 'any')).toMatchObject({ outcome: 'failed', promotable: false })
})

test('an architecture that goes nowhere counts only when it was built', () => {
  const builds = [{ arch: 's390x' as const, buildKey: 'k', why: '', collected: false }]
  expect(judge({ builds, destinations: [], images: [] }, 'all').outcome).toBe('failed')
  expect(
    judge({ builds: [{ ...builds[0]!, collected: true }], destinations: [], images: [] }, 'all').outcome,
  ).toBe('done')
})

test('what require names outside of a release of other architectures does not hold it up', () => {
  expect(judge(release([image('x86_64'), image('s390x')]), ['aarch64']).promotable).toBe(true)
})

test('nothing published is a failure, not a partial release', () => {
  expect(judge(release([]), 'all').outcome).toBe('failed')
})
