import { open } from 'node:fs/promises'
import { paginateListSnapshotBlocks, EBSClient, GetSnapshotBlockCommand } from '@aws-sdk/client-ebs'

/** What a snapshot turned out to hold. */
export interface SnapshotBytes {
  readonly sizeBytes: number
  /** Blocks that were there; everything else is zero. */
  readonly blocks: number
}

/** At most so many blocks are in memory at once. */
const atOnce = 8

/**
 * Writes the content of a snapshot into a sparse raw file, as its reader sees it: block after block through the API, in
 * pages as small as the API allows. The file can then be compared with the disk that was published, and booted.
 */
export async function writeSnapshot(
  ebs: EBSClient,
  snapshotId: string,
  file: string,
): Promise<SnapshotBytes> {
  await using raw = await open(file, 'w')
  let sizeBytes = 0
  let blocks = 0
  const pages = paginateListSnapshotBlocks({ client: ebs, pageSize: 100 }, { SnapshotId: snapshotId })
  for await (const page of pages) {
    sizeBytes = (page.VolumeSize ?? 0) * 1024 ** 3
    const waiting = [...(page.Blocks ?? [])]
    while (waiting.length > 0) {
      await Promise.all(
        waiting.splice(0, atOnce).map(async ({ BlockIndex, BlockToken }) => {
          const command = new GetSnapshotBlockCommand({ SnapshotId: snapshotId, BlockIndex, BlockToken })
          const { BlockData } = await ebs.send(command)
          const bytes = (await BlockData?.transformToByteArray()) ?? new Uint8Array()
          // All blocks have the one size; moto says another one when it is asked itself.
          await raw.write(bytes, 0, bytes.length, Number(BlockIndex) * bytes.length)
          blocks += 1
        }),
      )
    }
  }
  await raw.truncate(sizeBytes)
  return { sizeBytes, blocks }
}
