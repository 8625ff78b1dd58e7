import { createHash } from 'node:crypto'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import type { ImportTask } from './import.ts'
import { openSnapshot, startUpstream } from './open-snapshot.ts'
import { blockBytes, done } from './rest.ts'
import type { World } from './world.ts'

const gibibyte = 1024 ** 3

/** The id of a completed snapshot with what the object holds; a VMDK or VHD is unpacked by qemu-img. */
export async function importedSnapshot(task: ImportTask, world: World): Promise<string> {
  const { region, source } = task
  const directory = await mkdtemp(join(tmpdir(), 'import-'))
  try {
    const file = join(directory, 'object')
    const object = `/${source.bucket}/${source.key.split('/').map(encodeURIComponent).join('/')}`
    await writeFile(
      file,
      await world.upstream.download({ service: 's3', region, method: 'GET', path: object }),
    )
    const disk = source.format === 'RAW' ? file : await unpacked(file, source.format)
    await using raw = await open(disk)
    const { size } = await raw.stat()
    const description = `Created by AWS-VMImport service for ${task.id}`
    const volumeGiB = Math.max(1, Math.ceil(size / gibibyte))
    const body = JSON.stringify({ VolumeSize: volumeGiB, Description: description })
    const { SnapshotId } = await startUpstream(world, region, body)
    const record = openSnapshot(world, region, SnapshotId, volumeGiB, 60)
    for (let index = 0; index * blockBytes < size; index += 1) {
      const block = Buffer.alloc(blockBytes)
      await raw.read(block, 0, blockBytes, index * blockBytes)
      if (block.equals(zeros)) continue
      const path = `/snapshots/${record.id}/blocks/${index}`
      const headers = { 'x-amz-data-length': String(blockBytes) }
      done(await world.upstream.ask({ service: 'ebs', region, method: 'PUT', path, headers, body: block }))
      record.digests.set(index, createHash('sha256').update(block).digest())
    }
    record.phase = 'completed'
    return record.id
  } finally {
    await rm(directory, { recursive: true })
  }
}

const zeros = Buffer.alloc(blockBytes)

async function unpacked(file: string, format: 'VMDK' | 'VHD'): Promise<string> {
  const disk = `${file}.raw`
  await execa('qemu-img', ['convert', '-f', format === 'VHD' ? 'vpc' : 'vmdk', '-O', 'raw', file, disk])
  return disk
}
