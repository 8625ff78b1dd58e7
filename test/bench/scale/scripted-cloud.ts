import { once } from 'node:events'
import { open, readFile } from 'node:fs/promises'
import { Agent, type IncomingMessage, request } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { localExtents } from '#src/artifact/extents.ts'
import type { Artifact } from '#src/artifact/types.ts'
import type { Context } from '#src/context.ts'
import type { Cloud, Image, ImageKey, ImageMark, ImageStore, BuilderPool } from '#clouds/types.ts'
import type { MachineEntry, Rental } from './ledger.ts'

const region = 'local'
const pieceBytes = 1024 * 1024
const agent = new Agent({ keepAlive: true, maxSockets: 64 })

/** The adapter of the scripted cloud, as every adapter is: a client, in the process of the orchestrator. */
export function scriptedCloud(name: string, owner: string, port: number): Cloud {
  const call = async <T>(verb: string, asked: object): Promise<T> =>
    await ask<T>(port, `/${verb}`, Readable.from([JSON.stringify(asked)]))
  return {
    name,
    kind: 'libvirt',
    async *doctor() {},
    builders: pool(call),
    images: store(owner, port, call),
  }
}

type Call = <T>(verb: string, asked: object) => Promise<T>

function pool(call: Call): BuilderPool {
  return {
    maxBuilders: 100,
    offers: () => ({ ok: true }),
    async acquire({ access, purpose, image }, lease) {
      const { authorizedKey, hostPublicKey, hostPrivateKeyFile } = access
      const hostPrivateKey = await readFile(hostPrivateKeyFile, 'utf8')
      const rental: Rental = {
        lease,
        purpose,
        access: { authorizedKey, hostPublicKey, hostPrivateKey },
        ...(image === undefined ? {} : { imageId: image.id }),
      }
      const rented = await call<{ machine: string; address: { host: string; port: number } }>(
        'acquire',
        rental,
      )
      return { ...rented, leaseId: lease.id, arch: lease.arch, user: 'root', hostPublicKey }
    },
    async *find(owner) {
      for (const { lease, arch, release, expires } of await call<MachineEntry[]>('find', { owner }))
        yield { kind: 'machine', id: `vm-${lease}`, region, owner, release, arch, leaseId: lease, expires }
    },
    prolong: async (lease, expires) => await call('prolong', { lease, expires }),
    release: async (lease) => await call('release', { lease }),
  }
}

function store(owner: string, port: number, call: Call): ImageStore {
  const all = async () => await call<{ image: Image; mark?: ImageMark }[]>('images', { owner })
  return {
    regions: [region],
    location: (place) => place,
    takes: () => ({ ok: true }),
    async check() {},
    async find({ arch, sha256, name }) {
      const same = (image: Image) => image.arch === arch && image.sha256 === sha256 && image.name === name
      return (await all()).find(({ image }) => same(image))?.image
    },
    publish: async (artifact, key, ctx) => await publish(port, artifact, key, ctx),
    async *list() {
      for (const { image } of await all()) yield image
    },
    mark: async ({ id }, mark) => await call('mark', { id, mark }),
    marked: async ({ id }) => (await all()).find(({ image }) => image.id === id)?.mark,
    async remove() {
      throw new Error('nothing is removed in the benchmark')
    },
    async *leftovers() {},
    async discard() {},
  }
}

/** Sends what the file holds and leaves its holes out, as the adapters of real clouds do. */
async function publish(port: number, artifact: Artifact, key: ImageKey, ctx: Context): Promise<Image> {
  const { cloud, arch, name, format, sha256, release, origin, owner } = key
  const image: Image = {
    cloud,
    kind: 'libvirt',
    region,
    arch,
    id: `${name}-${sha256.slice(0, 12)}`,
    name,
    format,
    sha256,
    sizeBytes: artifact.virtualBytes,
    release,
    origin,
  }
  const asked = new URLSearchParams({ image: JSON.stringify({ ...image, owner }) })
  return await ask<Image>(port, `/publish?${asked}`, Readable.from(pieces(artifact, ctx)))
}

async function* pieces({ path, sizeBytes }: Artifact, ctx: Context): AsyncIterable<Buffer> {
  const extents = await localExtents(path, sizeBytes, ctx)
  await using file = await open(path)
  for (const { offset, length } of extents) {
    const head = Buffer.alloc(16)
    head.writeDoubleBE(offset, 0)
    head.writeDoubleBE(length, 8)
    yield head
    for (let at = offset; at < offset + length; at += pieceBytes) {
      const buffer = Buffer.alloc(Math.min(pieceBytes, offset + length - at))
      const { bytesRead } = await file.read(buffer, 0, buffer.length, at)
      if (bytesRead !== buffer.length) throw new Error(`${path} is shorter than it was`)
      yield buffer
    }
  }
}

async function ask<T>(port: number, path: string, body: Readable): Promise<T> {
  const asking = request({ host: '127.0.0.1', port, path, method: 'POST', agent })
  const answered = once(asking, 'response') as Promise<[IncomingMessage]>
  const [[response]] = await Promise.all([answered, pipeline(body, asking)])
  const text = await response.setEncoding('utf8').toArray()
  if (response.statusCode !== 200) throw new Error(text.join(''))
  return JSON.parse(text.join('')) as T
}
