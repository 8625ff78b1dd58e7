import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cached } from '#test/lab/cache.ts'
import { alone } from './alone.ts'
import { installServices, suite } from './service-tree.ts'

/** Images that stand in every region from the start, as Debian's own do; ids are the same in all regions. */
export const baseImages = {
  x86_64: { id: 'ami-0a1b2c3d4e5f60001', older: 'ami-0a1b2c3d4e5f60002' },
  aarch64: { id: 'ami-0a1b2c3d4e5f60003', older: 'ami-0a1b2c3d4e5f60004' },
  owner: '136693071363',
  namePattern: { x86_64: 'debian-13-amd64-*', aarch64: 'debian-13-arm64-*' },
} as const

/** Where the tree has the list of those images, seen from inside it. */
export const imagesFile = '/etc/moto-images.json'

const packages = [
  'python3-moto',
  'python3-flask',
  'python3-flask-cors',
  'python3-openssl',
  'python3-jsondiff',
  'python3-docker',
]

/** The path of a Debian with moto in it, for this machine's architecture; shared, so nobody writes to it. */
export function motoTree(): Promise<string> {
  const images = JSON.stringify(publicImages(), undefined, 2)
  // Test files start side by side; the first makes it for all.
  return alone('moto-tree', () =>
    cached('moto', { suite, packages, images }, async (directory) => {
      await installServices(directory, packages)
      await writeFile(join(directory, imagesFile), images)
    }),
  )
}

function publicImages(): object[] {
  const { x86_64, aarch64 } = baseImages
  return [
    publicImage(x86_64.id, 'amd64', 'x86_64', '2026-09-14'),
    publicImage(x86_64.older, 'amd64', 'x86_64', '2026-03-02'),
    publicImage(aarch64.id, 'arm64', 'arm64', '2026-09-14'),
    publicImage(aarch64.older, 'arm64', 'arm64', '2026-03-02'),
  ]
}

function publicImage(id: string, debian: string, architecture: string, date: string): object {
  const name = `debian-13-${debian}-${date.replaceAll('-', '')}-2257`
  return {
    ami_id: id,
    name,
    description: `Debian 13 (${debian})`,
    owner_id: baseImages.owner,
    public: true,
    architecture,
    virtualization_type: 'hvm',
    hypervisor: 'xen',
    state: 'available',
    image_type: 'machine',
    image_location: `amazon/${name}`,
    root_device_type: 'ebs',
    root_device_name: '/dev/xvda',
    creation_date: `${date}T22:57:00.000Z`,
  }
}
