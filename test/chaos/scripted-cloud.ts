import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { BuilderPool, Cloud, Image, ImageKey, ImageStore, Resource } from '#clouds/types.ts'
import type { Ledger } from './ledger.ts'
import type { Points } from './points.ts'

/** Of all machines of the scripted cloud. */
export const scriptedAddress = 'scripted'

/**
 * A cloud that keeps its bill in the ledger. It is stricter than real ones: a machine is never rented again under a lease
 * that was given back, an image is never published over a complete one, and what is published must be the bytes of its key.
 */
export function scriptedCloud(name: string, ledger: Ledger, points: Points, maxBuilders: number): Cloud {
  return {
    name,
    kind: 'libvirt',
    async *doctor() {},
    builders: pool(name, ledger, points, maxBuilders),
    images: store(ledger, points),
  }
}

function pool(name: string, ledger: Ledger, points: Points, maxBuilders: number): BuilderPool {
  return {
    maxBuilders,
    offers: () => ({ ok: true }),
    acquire: (spec, lease) =>
      points.pass(`call acquire ${lease.arch} ${spec.purpose}`, async () => {
        const before = ledger.machines().filter((machine) => machine.lease === lease.id)
        if (before.some(({ givenBackAt }) => givenBackAt !== null))
          throw new Error('rented after it was given back')
        if (before.length === 0) {
          const { arch } = lease
          const endsAt = Date.now() + spec.leaseMs
          const machine = {
            lease: lease.id,
            cloud: name,
            arch,
            purpose: spec.purpose,
            rentedAt: Date.now(),
            endsAt,
          }
          ledger.rent(machine, spec.image ? identityOf(ledger, spec.image) : '')
        }
        return {
          leaseId: lease.id,
          arch: lease.arch,
          machine: `vm-${lease.id}`,
          address: { host: scriptedAddress, port: 22 },
          user: 'root',
          hostPublicKey: spec.access.hostPublicKey,
        }
      }),
    async *find(owner) {
      for (const machine of ledger.machines())
        if (machine.givenBackAt === null) yield resourceOf(name, owner, machine)
    },
    prolong: (lease, expires) =>
      points.pass(`call prolong ${archOf(lease)}`, async () => {
        if (!ledger.standing(lease)) throw new Error('prolonged after it was given back')
        ledger.prolong(lease, Date.parse(expires))
      }),
    release: (lease) =>
      points.pass(`call release ${archOf(lease)}`, async () => {
        ledger.giveBack(lease, Date.now())
      }),
  }
}

function store(ledger: Ledger, points: Points): ImageStore {
  const complete = (key: Pick<ImageKey, 'arch' | 'sha256'>) =>
    ledger
      .images()
      .find(({ image, complete: whole }) => whole && image.arch === key.arch && image.sha256 === key.sha256)
  return {
    regions: ['local'],
    location: (region) => region,
    takes: () => ({ ok: true }),
    async check() {},
    find: (key) => points.pass(`call find ${key.arch}`, async () => complete(key)?.image),
    publish: (artifact, key) =>
      points.pass(`call publish ${key.arch}`, async () => {
        if (complete(key)) throw new Error('published over a complete image')
        const content = readFileSync(artifact.path)
        const sha256 = createHash('sha256').update(content).digest('hex')
        if (sha256 !== key.sha256) throw new Error(`the bytes of ${key.name} are not those of its key`)
        const image = imageOf(key, artifact.virtualBytes)
        ledger.beginImage({ ...image, id: `${key.name}-${sha256.slice(0, 12)}` })
        points.pass(`call publish ${key.arch}, half-way`, () => {})
        ledger.completeImage(`${key.name}-${sha256.slice(0, 12)}`)
        return { ...image, id: `${key.name}-${sha256.slice(0, 12)}` }
      }),
    async *list() {
      for (const { image, complete: whole } of ledger.images()) if (whole) yield image
    },
    async remove({ id }) {
      ledger.removeImage(id)
    },
    async *leftovers(owner) {
      for (const { image, complete: whole } of ledger.images()) {
        if (whole) continue
        const { id, arch, release, region } = image
        const expires = new Date(Date.now() + 3_600_000).toISOString()
        yield { kind: 'image', id, region, owner, release, arch, expires }
      }
    },
    async discard({ id }) {
      ledger.removeImage(id)
    },
  }
}

function imageOf(key: ImageKey, sizeBytes: number): Omit<Image, 'id'> {
  const { cloud, region, arch, name, format, sha256, release, origin } = key
  return { cloud, kind: 'libvirt', region, arch, name, format, sha256, sizeBytes, release, origin }
}

/** The content of a scripted artifact is the identity itself, and its image boots with it. */
function identityOf(ledger: Ledger, image: Image): string {
  return ledger.images().find((one) => one.image.id === image.id)?.image.origin?.identity ?? ''
}

function resourceOf(cloud: string, owner: string, machine: ReturnType<Ledger['machines']>[number]): Resource {
  const { lease, arch, endsAt } = machine
  const expires = new Date(endsAt).toISOString()
  return {
    kind: 'machine',
    id: `vm-${lease}`,
    region: cloud,
    owner,
    release: 'any',
    arch,
    leaseId: lease,
    expires,
  }
}

/** Leases are called by their architecture, which is how their points keep their names from run to run. */
export function archOf(lease: string): string {
  return lease.replace(/-[0-9a-f]+$/, '').replace('-', '_')
}
