import { FactoryError } from '#src/errors.ts'
import { formatBytes } from '#src/units.ts'
import { bash } from '../shell.ts'
import type { Shell } from '../shell.ts'
import { probeScript } from './scripts.ts'

/** What the builder says about a file before it is sent. */
export interface RemoteShape {
  sizeBytes: number
  /** Bytes of the extents that hold content, about. */
  contentBytes: number
  /** `packed`: extents only, compressed; `plain`: the bytes as they are. */
  way: 'packed' | 'plain'
}

/** Below this, compressing costs more time than it saves on a fast link. */
const worthwhileRatio = 0.9

/** Asks for size and kind of a file; throws `artifact-missing`, and `artifact-too-large` beyond `maxSizeBytes`. */
export async function probeFile(shell: Shell, path: string, maxSizeBytes: number): Promise<RemoteShape> {
  const what = `look at ${path}`
  const answer = await shell.run(bash(probeScript, path), { what, accept: [0, 66] })
  if (answer.exitCode === 66) throw missing(shell, path)
  const words = answer.stdout.toString().trim().split(' ')
  if (words.length !== 4 || !words.every((word) => /^\d{1,15}$/.test(word))) throw unreadable(shell, path)
  const [size = 0, allocated = 0, sampled = 0, packed = 0] = words.map(Number)
  if (size > maxSizeBytes) throw tooLarge(path, size, maxSizeBytes)
  const dense = allocated >= size - size / 32
  const way = dense && packed >= sampled * worthwhileRatio ? 'plain' : 'packed'
  return { sizeBytes: size, contentBytes: dense ? size : allocated, way }
}

/** The refusal of a file that is larger than expected, said by a builder or seen in what it sends. */
export function tooLarge(path: string, sizeBytes: number, maxSizeBytes: number): FactoryError {
  return new FactoryError({
    code: 'artifact-too-large',
    message: `${path} on the builder has ${formatBytes(sizeBytes)}, more than the ${formatBytes(maxSizeBytes)} that are allowed`,
    hint: 'Make the disk smaller in the disk configuration, or look what the image contains.',
    class: 'user',
    context: { sizeBytes, maxSizeBytes },
  })
}

function missing(shell: Shell, path: string): FactoryError {
  return new FactoryError({
    code: 'artifact-missing',
    message: `${path} is not there on builder ${shell.ref.machine}, or is no plain file`,
    hint: 'The disk builder ended without making it: look at its log (factory logs).',
    class: 'infra',
  })
}

function unreadable(shell: Shell, path: string): FactoryError {
  return new FactoryError({
    code: 'artifact-refused',
    message: `builder ${shell.ref.machine} gave no sensible answer about ${path}`,
    hint: 'Something on the builder replaced its tools; release again on a fresh builder.',
    class: 'infra',
  })
}
