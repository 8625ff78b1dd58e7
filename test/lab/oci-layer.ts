import { createHash, type Hash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createZstdCompress } from 'node:zlib'
import { execa } from 'execa'

/** One layer of a container image: a compressed tar file in a directory of its own, with its digests. */
export interface Layer {
  /** Absolute path of the compressed file. */
  readonly path: string
  /** `sha256:…` of the compressed file, by which registries know it. */
  readonly digest: string
  /** `sha256:…` of the tar inside, by which image configurations know it. */
  readonly diffId: string
  readonly sizeBytes: number
}

const packDeadlineMs = 5 * 60_000

/**
 * Packs a directory tree into `directory` (which must not exist yet). The same tree always gives the same bytes: names
 * sorted, numeric owners, all times zero. Zstandard, because emulated machines unpack it: pulling is the longest thing
 * that a builder of the lab does.
 */
export async function writeLayer(tree: string, directory: string): Promise<Layer> {
  await mkdir(directory)
  const path = join(directory, 'layer.tar.zst')
  const tar = ['--sort=name', '--numeric-owner', '--mtime=@0', '--format=gnu', '-C', tree, '-c', '.']
  const packing = execa('tar', tar, { buffer: false, timeout: packDeadlineMs })
  const [content, compressed] = [createHash('sha256'), createHash('sha256')]
  await pipeline(
    packing.stdout,
    hashedBy(content),
    createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 9 } }),
    hashedBy(compressed),
    createWriteStream(path),
  )
  await packing

  const layer: Layer = {
    path,
    digest: `sha256:${compressed.digest('hex')}`,
    diffId: `sha256:${content.digest('hex')}`,
    sizeBytes: (await stat(path)).size,
  }
  await writeFile(join(directory, 'layer.json'), JSON.stringify(layer))
  return layer
}

/** Reads what `writeLayer` left in a directory, which may have been moved since. */
export async function readLayer(directory: string): Promise<Layer> {
  const layer = JSON.parse(await readFile(join(directory, 'layer.json'), 'utf8')) as Layer
  return { ...layer, path: join(directory, 'layer.tar.zst') }
}

function hashedBy(hash: Hash): Transform {
  return new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      hash.update(chunk)
      done(undefined, chunk)
    },
  })
}
