import type { JournalRecord } from '#src/journal/records.ts'

const place = { arch: 'x86_64', cloud: 'hypervisor' } as const
const regions = ['one', 'two']

/** A complete release as the engine writes it, without release.json as after `factory adopt`. */
export function recordsOf(release: string): JournalRecord[] {
  const sha256 = release.at(-1)!.repeat(64)
  return [
    {
      type: 'release-opened',
      release,
      key: release,
      owner: 'lab',
      imageName: 'copr-builder',
      inputs: {},
      builds: [{ arch: 'x86_64', buildKey: release, why: 'forced' }],
      destinations: regions.map((region) => ({ ...place, region, format: 'raw', verify: true })),
    },
    {
      type: 'artifacts-collected',
      release,
      arch: 'x86_64',
      buildKey: release,
      identity: release,
      artifacts: [],
    },
    ...regions.flatMap((region): JournalRecord[] => {
      const name = `copr-builder-x86_64-${release}`
      const image = { ...place, kind: 'libvirt', region, id: `/pool/${name}`, name, format: 'raw' } as const
      return [
        { type: 'image-published', release, image: { ...image, sha256, sizeBytes: 10 * 1024 ** 3, release } },
        {
          type: 'image-verified',
          release,
          imageId: image.id,
          ...place,
          region,
          result: 'passed',
          how: 'booted',
        },
      ]
    }),
    { type: 'channel-moved', channel: 'candidate', release },
    { type: 'release-closed', release, outcome: 'done', durationMs: 1000 },
  ]
}
