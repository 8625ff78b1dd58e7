import { mkdtempSync, readFileSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  type FactoryBlock,
  releaseJson,
  releaseManifest,
  writeReleaseJson,
} from '#src/artifact/release-json.ts'

const hex = 'ab'.repeat(32)

const block: FactoryBlock = {
  'build-key': 'k',
  complete: true,
  'oci-image': {
    image: 'localhost:5055/lab/image:20261121.0',
    'digest-ref': `localhost:5055/lab/image@sha256:${hex}`,
  },
  containerfile: { commit: 'c0ffee', dirty: false, 'tree-sha256': hex },
  bases: [{ reference: 'localhost:5055/lab/base:trixie', digest: `sha256:${hex}` }],
  builder: { ref: `localhost:5055/lab/bib@sha256:${hex}`, dialect: 'bib-v1' },
  artifacts: [
    { format: 'raw', sha256: hex, size: 1024, 'virtual-size': 1024, 'content-size': 512 },
    { format: 'qcow2', sha256: hex, size: 600, 'virtual-size': 1024, 'content-size': 600 },
  ],
  images: [
    {
      cloud: 'lab',
      kind: 'libvirt',
      region: 'local',
      id: '/var/lib/libvirt/images/x',
      name: 'lab-20261121.0-s390x',
      format: 'raw',
      size: 1024,
      'source-sha256': hex,
      state: 'candidate',
      tested: { result: 'passed', how: 'booted', 'boot-ms': 4000 },
    },
  ],
  failures: [],
  cost: {
    machines: [
      {
        purpose: 'build',
        cloud: 'aws',
        machine: 'i-1',
        seconds: 10,
        rates: [
          { what: 'm5.large', hour: { amount: 0.096, currency: 'USD' } },
          { what: 'a volume of 35 GiB' },
        ],
      },
    ],
    storage: [],
    'machines-total': [],
    'storage-month': [],
    'not-counted': ['no price for a volume of 35 GiB in clouds.aws.prices'],
  },
}

function manifest() {
  return releaseJson({
    release: '20261121.0',
    stream: 'candidate',
    lastModified: new Date('2026-11-21T01:02:03.456Z'),
    generator: 'factory 0.1.0',
    builds: [{ arch: 's390x', block, artifactPath: (sha256) => `/store/a b/${sha256}` }],
  })
}

// The grammar of stream-metadata-go's stream.go, as far as a reader of disk artifacts walks it.
test('is CoreOS stream metadata that a stream reader finds disks in', () => {
  const made = manifest()
  expect(Object.keys(made)).toEqual(['stream', 'metadata', 'architectures'])
  expect(made.metadata['last-modified']).toBe('2026-11-21T01:02:03Z')
  const s390x = made.architectures.s390x
  expect(s390x?.artifacts).toEqual({
    metal: {
      release: '20261121.0',
      formats: { raw: { disk: { location: `file:///store/a%20b/${hex}`, sha256: hex } } },
    },
    qemu: {
      release: '20261121.0',
      formats: { qcow2: { disk: { location: `file:///store/a%20b/${hex}`, sha256: hex } } },
    },
  })
  expect(s390x?.['x-factory'].images[0]?.tested).toEqual({ result: 'passed', how: 'booted', 'boot-ms': 4000 })
})

test('has AMIs where readers of CoreOS streams look for them, one a region, and nothing of other clouds there', () => {
  expect(manifest().architectures.s390x).not.toHaveProperty('images')
  const [libvirt] = block.images
  const amis = ['us-east-1', 'eu-west-1'].map((region) => ({
    ...libvirt!,
    cloud: 'aws',
    kind: 'aws',
    region,
    id: `ami-${region}`,
  }))
  const { architectures } = releaseJson({
    release: 'r1',
    stream: 'candidate',
    lastModified: new Date(0),
    generator: 'g',
    builds: [{ arch: 'x86_64', block: { ...block, images: [libvirt!, ...amis] }, artifactPath: String }],
  })
  expect(architectures.x86_64?.images?.aws?.regions).toEqual({
    'us-east-1': { release: 'r1', image: 'ami-us-east-1' },
    'eu-west-1': { release: 'r1', image: 'ami-eu-west-1' },
  })
})

test('has images of IBM Cloud where readers of CoreOS streams look for them, by their ids', () => {
  const [libvirt] = block.images
  const image = { ...libvirt!, cloud: 'z', kind: 'ibm', region: 'eu-es', id: 'r050-1' }
  const facts = { release: 'r1', stream: 'candidate', lastModified: new Date(0), generator: 'g' }
  const built = {
    arch: 's390x' as const,
    block: { ...block, images: [libvirt!, image] },
    artifactPath: String,
  }
  const url = 'https://eu-es.iaas.cloud.ibm.com/v1/images/r050-1'
  expect(releaseJson({ ...facts, builds: [built] }).architectures.s390x?.images).toEqual({
    ibmcloud: { regions: { 'eu-es': { release: 'r1', object: 'r050-1', bucket: '', url } } },
  })
})

test('refuses to write facts that are not of their shape', () => {
  const broken = { ...block, artifacts: [{ ...block.artifacts[0]!, sha256: 'short' }] }
  const facts = { release: 'r', stream: 's', lastModified: new Date(0), generator: 'g' }
  expect(() =>
    releaseJson({ ...facts, builds: [{ arch: 's390x', block: broken, artifactPath: (sha256) => sha256 }] }),
  ).toThrow()
})

test('reads what was written before costs were', () => {
  const written = JSON.parse(JSON.stringify(manifest())) as ReturnType<typeof manifest>
  delete written.architectures.s390x?.['x-factory'].cost
  expect(releaseManifest.parse(written)).toEqual(written)
})

test('replaces the file at once and leaves no second one', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'factory-manifest-'))
  const file = join(directory, 'releases', 'release.json')
  await writeReleaseJson(file, manifest())
  await writeReleaseJson(file, manifest())
  expect(readdirSync(join(directory, 'releases'))).toEqual(['release.json'])
  expect(releaseManifest.parse(JSON.parse(readFileSync(file, 'utf8')))).toEqual(manifest())
})
