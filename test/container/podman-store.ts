import { type ArchitectureName, architectures } from '#arch/index.ts'

export interface StoredImage {
  id: string
  architecture: string
  labels: Record<string, string>
  /** Content by path in the image. */
  files: Record<string, string>
}

/** What the stand-in for podman knows: its storage, the registry behind it, and how it shall fail. */
export interface Store {
  architecture: string
  /** Local images by every name that finds them. */
  images: Record<string, StoredImage>
  /** By `repository@digest`; what is not here, the registry does not have. */
  registry: Record<string, StoredImage>
  /** Every argv, oldest first. */
  calls: string[][]
  /** Output of the next calls of a subcommand instead of their work: text and exit code. */
  scripted: { subcommand: string; output: string; exitCode: number }[]
  /** What a run of the disk builder does: its output, and files as base64 by their path in the output directory. */
  disk?: { transcript: string; exitCode: number; files: Record<string, string> }
}

export function emptyStore(arch: ArchitectureName): Store {
  return { architecture: architectures[arch].oci, images: {}, registry: {}, calls: [], scripted: [] }
}

export function storedImage(content: string, change: Partial<StoredImage> = {}): StoredImage {
  const id = Buffer.from(content).toString('hex').padEnd(64, '0').slice(0, 64)
  return { id, architecture: 'amd64', labels: { 'containers.bootc': '1' }, files: {}, ...change }
}
