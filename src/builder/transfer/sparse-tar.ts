import { FactoryError } from '#src/errors.ts'
import type { Extent } from '../types.ts'
import { tooLarge } from './probe.ts'

/** Where the content of the one file in the stream belongs. */
export interface Layout {
  sizeBytes: number
  /** Ascending, not empty, not overlapping. */
  extents: Extent[]
}

/** Content and the offset in the file where it belongs. */
export interface Piece {
  offset: number
  bytes: Buffer
}

export interface SparseTar {
  /** Known as soon as the headers have come. */
  readonly layout: Layout | undefined
  /** Takes the next bytes of the stream; throws `artifact-refused` at the first one that is not as it must be. */
  push(bytes: Buffer): Piece[]
  /** Throws when the stream ended too early. */
  end(): void
}

export interface Expected {
  name: string
  maxSizeBytes: number
}

const block = 512
const maxPaxBytes = 64 * 1024
const maxExtents = 256 * 1024
const maxTrailerBytes = 1024 * 1024

/**
 * Reads a tar stream with one file in it: pax headers, in GNU's sparse format 1.0 where the file has holes
 * (https://www.gnu.org/software/tar/manual/html_node/PAX-1.html), and nothing else. The sender is hostile: names,
 * sizes and extents are checked before a byte is handed on, and memory does not grow with what it claims.
 */
export function readSparseTar(expected: Expected): SparseTar {
  const headers = parseHeaders(expected)
  let wanted = headers.next().value as number
  let gathered: Buffer[] = []
  let gatheredBytes = 0
  let layout: Layout | undefined
  let current = 0
  let done = 0
  let trailerBytes = 0

  function gather(bytes: Buffer): Buffer {
    const part = bytes.subarray(0, wanted - gatheredBytes)
    gathered.push(part)
    gatheredBytes += part.length
    if (gatheredBytes === wanted) {
      const next = headers.next(Buffer.concat(gathered))
      gathered = []
      gatheredBytes = 0
      if (next.done) layout = next.value
      else wanted = next.value
    }
    return bytes.subarray(part.length)
  }

  function content(bytes: Buffer, extents: readonly Extent[], pieces: Piece[]): Buffer {
    const { offset, length } = extents[current] as Extent
    const padded = Math.ceil(length / block) * block
    const part = bytes.subarray(0, padded - done)
    if (done < length) pieces.push({ offset: offset + done, bytes: part.subarray(0, length - done) })
    done += part.length
    if (done === padded) {
      current += 1
      done = 0
    }
    return bytes.subarray(part.length)
  }

  function trailer(bytes: Buffer): void {
    trailerBytes += bytes.length
    if (trailerBytes > maxTrailerBytes) throw refused('too much follows its content')
    if (bytes.some((byte) => byte !== 0)) throw refused('something follows its content')
  }

  return {
    get layout() {
      return layout
    },
    push(bytes) {
      const pieces: Piece[] = []
      let rest = bytes
      while (rest.length > 0 && !layout) rest = gather(rest)
      const extents = layout?.extents ?? []
      while (rest.length > 0 && current < extents.length) rest = content(rest, extents, pieces)
      if (rest.length > 0) trailer(rest)
      return pieces
    },
    end() {
      if (!layout || current < layout.extents.length || trailerBytes < 2 * block) {
        throw new Error('the archive in it ends too early')
      }
    },
  }
}

/** Yields how many bytes it needs next and is given exactly those. */
function* parseHeaders(expected: Expected): Generator<number, Layout, Buffer> {
  let header = readHeader(yield block)
  if (header.type !== 'x') throw refused('it does not begin with a pax header')
  if (header.sizeBytes > maxPaxBytes) throw refused('its pax header is too long')
  const records = parsePax((yield padded(header.sizeBytes)).subarray(0, header.sizeBytes))
  header = readHeader(yield block)
  if (header.type !== '0') throw refused('it holds something else than a plain file')
  const name = records.get('GNU.sparse.name') ?? records.get('path') ?? header.name
  if (name !== expected.name) throw refused(`it holds ${JSON.stringify(name.slice(0, 80))}`)
  const storedBytes = records.has('size') ? wholeNumber(records.get('size')) : header.sizeBytes
  if (!records.has('GNU.sparse.major')) {
    checkSize(storedBytes, expected)
    return { sizeBytes: storedBytes, extents: storedBytes === 0 ? [] : [{ offset: 0, length: storedBytes }] }
  }
  if (records.get('GNU.sparse.major') !== '1' || records.get('GNU.sparse.minor') !== '0') {
    throw refused('its sparse format is not 1.0')
  }
  const sizeBytes = wholeNumber(records.get('GNU.sparse.realsize'))
  checkSize(sizeBytes, expected)
  const map = yield* parseMap(sizeBytes)
  const contentBytes = map.extents.reduce((sum, extent) => sum + padded(extent.length), 0)
  if (map.bytes + contentBytes !== padded(storedBytes)) throw refused('its extents do not add up')
  return { sizeBytes, extents: map.extents }
}

/** The map is decimal numbers, one a line: how many, then offset and length of each, padded to a block. */
function* parseMap(sizeBytes: number): Generator<number, { bytes: number; extents: Extent[] }, Buffer> {
  let text = ''
  let bytes = 0
  function* number(): Generator<number, number, Buffer> {
    let end = text.indexOf('\n')
    while (end === -1) {
      if (text.length > 20) throw refused('its map is broken')
      text += (yield block).toString('latin1')
      bytes += block
      end = text.indexOf('\n')
    }
    const value = wholeNumber(text.slice(0, end))
    text = text.slice(end + 1)
    return value
  }
  const count = yield* number()
  if (count > maxExtents) throw refused('it has too many extents')
  const extents: Extent[] = []
  let free = 0
  for (let i = 0; i < count; i += 1) {
    const offset = yield* number()
    const length = yield* number()
    if (offset < free || offset + length > sizeBytes) throw refused('its extents overlap or leave the file')
    if (length > 0) extents.push({ offset, length })
    free = offset + length
  }
  return { bytes, extents }
}

function readHeader(header: Buffer): { name: string; type: string; sizeBytes: number } {
  const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0)
  if (sum !== octal(header.subarray(148, 156))) throw refused('a header is broken')
  const name = header.subarray(0, 100)
  const end = name.indexOf(0)
  return {
    name: name.subarray(0, end === -1 ? 100 : end).toString(),
    type: String.fromCharCode(header[156] ?? 0),
    sizeBytes: octal(header.subarray(124, 136)),
  }
}

function parsePax(bytes: Buffer): Map<string, string> {
  const records = new Map<string, string>()
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(32, at)
    const length = space === -1 ? 0 : wholeNumber(bytes.toString('latin1', at, space))
    const end = at + length
    const equals = bytes.indexOf(61, space)
    if (length === 0 || end > bytes.length || equals === -1 || equals >= end || bytes[end - 1] !== 10) {
      throw refused('its pax header is broken')
    }
    records.set(bytes.toString('utf8', space + 1, equals), bytes.toString('utf8', equals + 1, end - 1))
    at = end
  }
  return records
}

function octal(field: Buffer): number {
  const digits = /^ *([0-7]{1,11})[ \0]*$/.exec(field.toString('latin1'))?.[1]
  if (digits === undefined) throw refused('a header is broken')
  return Number.parseInt(digits, 8)
}

function wholeNumber(text: string | undefined): number {
  if (text === undefined || !/^\d{1,15}$/.test(text)) throw refused('a number in it is none')
  return Number(text)
}

function checkSize(sizeBytes: number, expected: Expected): void {
  if (sizeBytes > expected.maxSizeBytes) throw tooLarge(expected.name, sizeBytes, expected.maxSizeBytes)
}

function padded(length: number): number {
  return Math.ceil(length / block) * block
}

function refused(why: string): FactoryError {
  return new FactoryError({
    code: 'artifact-refused',
    message: `what the builder sends is not the file that was asked for: ${why}`,
    hint: 'The builder is broken or was taken over: give it back and release again; its image is not to be trusted.',
    class: 'infra',
  })
}
