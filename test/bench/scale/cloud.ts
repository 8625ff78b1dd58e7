import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Image, ImageMark } from '#clouds/types.ts'
import type { ImageEntry, Ledger, MachineEntry, Rental } from './ledger.ts'
import { type Machine, type MachineTimes, bootMachine, sshPort, writePrograms } from './machine.ts'
import { manifests } from './registry.ts'

/*
 * The scripted cloud, a process of its own so that what it does is nobody else's: rents machines that are real sshd
 * processes, takes images and checks their bytes, and answers as the registry of the base image. Arguments: a directory,
 * and `CloudTimes` as JSON. Ends, with all machines, when its parent is gone.
 */
export interface CloudTimes extends MachineTimes {
  /** A machine answers so many seconds after it was rented, each another while between these two. */
  bootSeconds: [number, number]
}

const [, , directory = '', timesJson = '{}'] = process.argv
const times = JSON.parse(timesJson) as CloudTimes
const ledger: Ledger = { machines: [], images: [], peak: { builders: 0, machines: 0 }, complaints: [] }
const running = new Map<string, { machine: Promise<Machine>; stop: AbortController }>()
const registry = manifests('1')
let addresses = 0

process.on('SIGINT', () => undefined)
process.on('disconnect', () => process.exit(1))
await writePrograms(directory)
const server = createServer((request, response) => {
  const receivedAt = Date.now()
  answer(request, receivedAt).then(
    (said) => send(response, said),
    (error: unknown) => {
      ledger.complaints.push(`${request.url}: ${(error as Error).message}`)
      response.writeHead(500).end((error as Error).message)
    },
  )
})
// An idle connection is the client's to close: what it sends on one that we close is lost.
server.keepAliveTimeout = 0
server.listen(0, '127.0.0.1', 4096)
await once(server, 'listening')
process.send?.({ port: (server.address() as AddressInfo).port })

type Said = { manifest: string } | { json: unknown }

async function answer(request: IncomingMessage, receivedAt: number): Promise<Said> {
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://cloud')
  const body = await read(request)
  if (pathname.startsWith('/v2/')) return { manifest: pathname.split('/').at(-1) ?? '' }
  if (pathname === '/publish') {
    const image = JSON.parse(searchParams.get('image') ?? '') as Image & { owner: string }
    // Until the bytes are here, it is who sends them that takes the time.
    return { json: publish(image, body, Date.now()) }
  }
  const asked: unknown = body.length === 0 ? {} : JSON.parse(body.toString())
  const verb = verbs[pathname.slice(1)]
  if (!verb) throw new Error('no such call')
  return { json: (await verb(asked as never, receivedAt)) ?? null }
}

const verbs: Record<string, (asked: never, receivedAt: number) => unknown> = {
  acquire: (rental: Rental, receivedAt) => acquire(rental, receivedAt),
  find: ({ owner }: { owner: string }) =>
    ledger.machines.filter((machine) => machine.owner === owner && machine.givenBackAt === undefined),
  prolong({ lease, expires }: { lease: string; expires: string }) {
    machineOf(lease).expires = expires
  },
  release: ({ lease }: { lease: string }, receivedAt) => release(lease, receivedAt),
  images: ({ owner }: { owner: string }) =>
    ledger.images.filter((entry) => entry.owner === owner).map(({ image, mark }) => ({ image, mark })),
  mark({ id, mark }: { id: string; mark: ImageMark }) {
    imageOf(id).mark = mark
  },
  peak: () => ({ ...ledger.peak, standing: standing().length, images: ledger.images.length }),
  ledger: () => ledger,
  async end() {
    await Promise.all([...running.keys()].map((lease) => endMachine(lease)))
  },
}

function acquire(rental: Rental, receivedAt: number) {
  const { id: lease, owner, release, arch, expires } = rental.lease
  const before = ledger.machines.find((machine) => machine.lease === lease)
  if (before) throw new Error(`${lease} is rented a second time`)
  const identity = rental.imageId === undefined ? '' : imageOf(rental.imageId).identity
  const { purpose } = rental
  const entry: MachineEntry = {
    lease,
    owner,
    release,
    arch,
    purpose,
    expires,
    rentedAt: Date.now(),
    busy: [],
  }
  ledger.machines.push(entry)
  const now = standing()
  ledger.peak.machines = Math.max(ledger.peak.machines, now.length)
  const builders = now.filter((machine) => machine.purpose === 'build').length
  ledger.peak.builders = Math.max(ledger.peak.builders, builders)
  addresses += 1
  const host = `127.77.${addresses >> 8}.${addresses & 255}`
  const stop = new AbortController()
  const machine = boot(entry, rental, host, identity, stop.signal)
  machine.catch((error: Error) => ledger.complaints.push(`${lease}: ${error.message}`))
  running.set(lease, { machine, stop })
  entry.busy.push({ from: receivedAt, to: Date.now() })
  return { machine: `vm-${lease}`, address: { host, port: sshPort } }
}

async function boot(
  entry: MachineEntry,
  rental: Rental,
  host: string,
  identity: string,
  signal: AbortSignal,
): Promise<Machine> {
  const [least, most] = times.bootSeconds
  // By its name, so that every run is the same and no two machines boot at once.
  const share = createHash('sha256').update(`${entry.owner} ${entry.arch}`).digest().readUInt16BE() / 65_536
  await sleep((least + share * (most - least)) * 1000, undefined, { signal })
  const machine = await bootMachine(directory, rental, { host, times, identity })
  entry.bootedAt = Date.now()
  entry.busy.push({ from: entry.rentedAt, to: entry.bootedAt })
  return machine
}

async function release(lease: string, receivedAt: number): Promise<void> {
  const entry = machineOf(lease)
  if (entry.givenBackAt !== undefined) return
  entry.givenBackAt = Date.now()
  entry.busy.push(...(await endMachine(lease)), { from: receivedAt, to: Date.now() })
}

async function endMachine(lease: string) {
  const known = running.get(lease)
  running.delete(lease)
  known?.stop.abort()
  const machine = await known?.machine.catch(() => undefined)
  return (await machine?.end()) ?? []
}

function standing(): MachineEntry[] {
  return ledger.machines.filter(({ givenBackAt }) => givenBackAt === undefined)
}

/** The bytes come as pieces, each with its offset and length before it; between them are zeros. */
function publish({ owner, ...image }: Image & { owner: string }, body: Buffer, begunAt: number): Image {
  const hash = createHash('sha256')
  const zeros = Buffer.alloc(1024 * 1024)
  let at = 0
  const skipTo = (offset: number) => {
    for (; at < offset; at += Math.min(zeros.length, offset - at))
      hash.update(zeros.subarray(0, Math.min(zeros.length, offset - at)))
  }
  let first: Buffer | undefined
  for (let place = 0; place < body.length;) {
    const [offset, length] = [body.readDoubleBE(place), body.readDoubleBE(place + 8)]
    const piece = body.subarray(place + 16, place + 16 + length)
    first ??= piece
    skipTo(offset)
    hash.update(piece)
    at += length
    place += 16 + length
  }
  skipTo(image.sizeBytes)
  if (hash.digest('hex') !== image.sha256)
    throw new Error(`the bytes of ${image.name} are not those of its key`)
  if (ledger.images.some((entry) => entry.image.id === image.id))
    throw new Error(`${image.id} is there already`)
  const identity = first?.subarray(0, first.indexOf(0)).toString() ?? ''
  const busy = [{ from: begunAt, to: Date.now() }]
  ledger.images.push({ image, owner, identity, busy } satisfies ImageEntry)
  return image
}

function machineOf(lease: string): MachineEntry {
  const found = ledger.machines.find((machine) => machine.lease === lease)
  if (!found) throw new Error(`${lease} was never rented`)
  return found
}

function imageOf(id: string): ImageEntry {
  const found = ledger.images.find(({ image }) => image.id === id)
  if (!found) throw new Error(`there is no image ${id}`)
  return found
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function send(response: ServerResponse, said: Said): void {
  if ('json' in said) return void response.end(JSON.stringify(said.json))
  const found = registry.get(said.manifest)
  if (!found) return void response.writeHead(404).end()
  response.writeHead(200, { 'content-type': found.mediaType, 'docker-content-digest': found.digest })
  response.end(found.body)
}
